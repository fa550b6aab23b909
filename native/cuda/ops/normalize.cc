#include "../context.h"
#include "ops.h"

namespace hypersphere {
namespace cuda {

Status Normalize(const NormalizeOp& op, const std::atomic<bool>* cancel) noexcept {
  Call call(cancel);
  NormalizeOp here = op;
  here.x = call.Upload(op.x, op.n * op.d);
  here.out = call.Allocate<float>(op.n * op.d);
  call.LaunchGroups(Kernel::k_normalize, op.n, here);
  call.Download(op.out, here.out, op.n * op.d);
  return call.Finish();
}

Status NormalizeGradient(const NormalizeGradientOp& op, const std::atomic<bool>* cancel) noexcept {
  Call call(cancel);
  NormalizeGradientOp here = op;
  here.x = call.Upload(op.x, op.n * op.d);
  here.grad_output = call.Upload(op.grad_output, op.n * op.d);
  here.grad_x = call.Allocate<float>(op.n * op.d);
  call.LaunchGroups(Kernel::k_normalize_gradient, op.n, here);
  call.Download(op.grad_x, here.grad_x, op.n * op.d);
  return call.Finish();
}

}  // namespace cuda
}  // namespace hypersphere
