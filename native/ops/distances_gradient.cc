// Both sides' gradients, each in blocks of its own rows: a block owns its outputs and sees the other side in order. What a
// pair weighs is computed once for each side rather than kept, which would take a matrix of pairs.
#include "../cpu.h"
#include "moments.h"
#include "ops.h"

namespace hypersphere {

Status DistancesGradient(const DistancesGradientOp& op, const std::atomic<bool>* cancel) noexcept {
  if (op.n == 0 || op.m == 0) {  // no pairs, and perhaps no memory where they would be
    for (size_t k = 0; k < op.n * op.d; k++) op.grad_x[k] = 0;
    for (size_t k = 0; k < op.m * op.d; k++) op.grad_y[k] = 0;
    return Status::kOk;
  }
  const KernelTable& kernels = CurrentKernels();
  const int threads = ThreadsFor(op.n, op.m, op.d);
  const bool snr = op.metric == Metric::kSnr;
  const bool wanted = snr || op.metric == Metric::kCosineSimilarity || op.metric == Metric::kCosineDistance;
  PairMoments moments;
  const Status taken = moments.Take(kernels, op, wanted, snr, cancel, threads);
  if (taken != Status::kOk) return taken;
  const size_t x_blocks = DivideUp(op.n, kGradientRows), y_blocks = DivideUp(op.m, kGradientRows);
  const auto block = [&](size_t index, int) {
    const bool is_x = index < x_blocks;
    const size_t row = (is_x ? index : index - x_blocks) * kGradientRows;
    if (is_x) {
      kernels.gradient_rows({op.x + row * op.d, op.y, moments.x + row, moments.y, op.grad_output + row * op.m, op.m, 1, op.grad_x + row * op.d,
                             Least(kGradientRows, op.n - row), op.m, op.d, true, op.metric});
    } else {
      kernels.gradient_rows({op.y + row * op.d, op.x, moments.y + row, moments.x, op.grad_output + row, 1, op.m, op.grad_y + row * op.d,
                             Least(kGradientRows, op.m - row), op.n, op.d, false, op.metric});
    }
  };
  return ParallelFor(x_blocks + y_blocks, block, cancel, threads);
}

}  // namespace hypersphere
