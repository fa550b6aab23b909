// Rows over their length and the gradient of it, in blocks of rows: one pass over memory, bound by it.
#include "../cpu.h"
#include "blocks.h"
#include "ops.h"

namespace hypersphere {

Status Normalize(const NormalizeOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  const size_t rows = RowsOfBlock(op.d);
  const auto block = [&](size_t index, int) {
    const size_t first = index * rows;
    kernels.normalize_rows({op.x + first * op.d, op.out + first * op.d, Least(rows, op.n - first), op.d, op.eps});
  };
  return ParallelFor(DivideUp(op.n, rows), block, cancel, ThreadsForPass(op.n, op.d));
}

Status NormalizeGradient(const NormalizeGradientOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  const size_t rows = RowsOfBlock(op.d);
  const auto block = [&](size_t index, int) {
    const size_t at = index * rows * op.d;
    kernels.normalize_gradient_rows({op.x + at, op.grad_output + at, op.grad_x + at, Least(rows, op.n - index * rows), op.d, op.eps});
  };
  return ParallelFor(DivideUp(op.n, rows), block, cancel, ThreadsForPass(op.n, op.d));
}

}  // namespace hypersphere
