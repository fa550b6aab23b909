// The gradient of distances for one side's rows, a group of sixteen threads to a row: the CPU's kernel itself. The weights of 64 pairs lie in shared
// memory, and up to four vectors of the row's gradient in registers while those pairs' rows pass; these are what is read.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/distances_gradient.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

HYPERSPHERE_KERNEL_BLOCKS(1) void gradient_rows(const GradientBlock all) {
  const size_t i = GroupRow();
  if (i >= all.own_rows) return;
  GradientBlock row = all;
  row.own += i * all.d;
  row.own_moments += i;
  row.grad += i * all.grad_own_stride;
  row.out += i * all.d;
  row.own_rows = 1;
  GradientRows(row);
}
