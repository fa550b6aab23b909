// The gradients of both sides' rows, one launch a side.
#include "../context.h"
#include "ops.h"

namespace hypersphere {
namespace cuda {

Status DistancesGradient(const DistancesGradientOp& op, const std::atomic<bool>* cancel) noexcept {
  const size_t n = op.n, m = op.m, d = op.d;
  const bool snr = op.metric == Metric::kSnr, wanted = snr || op.metric == Metric::kCosineSimilarity || op.metric == Metric::kCosineDistance;
  Call call(cancel);
  call.ExpectSides({n, m, d});
  const float* const x = call.Upload(op.x, n * d);
  const float* const y = call.Upload(op.y, m * d);
  const float* const g = call.Upload(op.grad_output, n * m);
  Moments* const of_x = call.Allocate<Moments>(wanted ? n : 0);
  Moments* const of_y = call.Allocate<Moments>(wanted ? m : 0);
  if (wanted) {
    call.LaunchThreads(Kernel::k_moments, n, x, n, d, snr, of_x);
    call.LaunchThreads(Kernel::k_moments, m, y, m, d, snr, of_y);
  }
  float* const grad_x = call.Allocate<float>(n * d);
  float* const grad_y = call.Allocate<float>(m * d);
  call.LaunchGroups(Kernel::k_gradient_rows, n, GradientBlock{x, y, of_x, of_y, g, m, 1, grad_x, n, m, d, true, op.metric});
  call.LaunchGroups(Kernel::k_gradient_rows, m, GradientBlock{y, x, of_y, of_x, g, 1, m, grad_y, m, n, d, false, op.metric});
  call.Download(op.grad_x, grad_x, n * d);
  call.Download(op.grad_y, grad_y, m * d);
  return call.Finish();
}

}  // namespace cuda
}  // namespace hypersphere
