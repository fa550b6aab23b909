// Rows against their class's center, a group of sixteen threads to a row; and the classes' sums, a group to 128 columns of a class, whose eight
// vectors of center and sum stay in registers while its rows pass in their order. Both are the CPU's kernels themselves; memory is the limit.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/centers.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

HYPERSPHERE_KERNEL void center_rows(const CenterRows all) {
  const size_t i = GroupRow(), at = i * all.d;
  if (i >= all.rows) return;
  SquareCenterRows({all.x + at, all.labels + i, all.centers, all.squares + i, all.per_example + i, all.grad_x == nullptr ? nullptr : all.grad_x + at, 1,
                    all.d, all.factor});
}

HYPERSPHERE_KERNEL void center_sums(const CenterSums of) {
  const size_t across = (of.d + kColumnsOfSum - 1) / kColumnsOfSum, t = GroupRow() / across;
  if (t >= of.classes) return;
  const size_t col = GroupRow() % across * kColumnsOfSum, at = t * of.d + col, first = of.starts[t], count = of.starts[t + 1] - first;
  const double factor = of.moves ? of.factor / (1 + static_cast<double>(count)) : of.factor;
  SumToCenter({of.x + col, of.rows + first, count, of.d, Least(kColumnsOfSum, of.d - col), of.centers + at, of.out + at, static_cast<float>(factor), of.moves});
}
