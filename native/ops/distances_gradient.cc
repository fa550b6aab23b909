// Both sides' gradients, each in blocks of its own rows: a block owns its outputs and sees the other side in order. What a
// pair weighs is computed once for each side rather than kept, which would take a matrix of pairs.
#include "../cpu.h"
#include "blocks.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {

Status DistancesGradient(const DistancesGradientOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  const int threads = ThreadsFor(op.n, op.m, op.d);
  const bool snr = op.metric == Metric::kSnr;
  const bool moments = snr || op.metric == Metric::kCosineSimilarity || op.metric == Metric::kCosineDistance;
  Workspace space;
  const size_t x_place = space.Add<Moments>(moments ? op.n : 0), y_place = space.Add<Moments>(moments ? op.m : 0);
  if (!space.Allocate()) return Status::kOutOfMemory;
  Moments* const x_moments = space.At<Moments>(x_place);
  Moments* const y_moments = space.At<Moments>(y_place);
  if (moments) {
    Status status = AllMoments(kernels, {op.x, op.n, op.d, snr}, x_moments, cancel, threads);
    if (status == Status::kOk) status = AllMoments(kernels, {op.y, op.m, op.d, snr}, y_moments, cancel, threads);
    if (status != Status::kOk) return status;
  }
  const size_t x_blocks = DivideUp(op.n, kGradientRows), y_blocks = DivideUp(op.m, kGradientRows);
  const auto block = [&](size_t index, int) {
    const bool is_x = index < x_blocks;
    const size_t row = (is_x ? index : index - x_blocks) * kGradientRows;
    if (is_x) {
      kernels.gradient_rows({op.x + row * op.d, op.y, x_moments + row, y_moments, op.grad_output + row * op.m, op.m, 1, op.grad_x + row * op.d,
                             Least(kGradientRows, op.n - row), op.m, op.d, true, op.metric});
    } else {
      kernels.gradient_rows({op.y + row * op.d, op.x, y_moments + row, x_moments, op.grad_output + row, 1, op.m, op.grad_y + row * op.d,
                             Least(kGradientRows, op.m - row), op.n, op.d, false, op.metric});
    }
  };
  return ParallelFor(x_blocks + y_blocks, block, cancel, threads);
}

}  // namespace hypersphere
