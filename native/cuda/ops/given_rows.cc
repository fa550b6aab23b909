// Contrastive and triplet loss of given rows. The terms come back in double, and the host adds them in order.
#include "../../ops/workspace.h"
#include "../context.h"
#include "ops.h"

namespace hypersphere {
namespace cuda {
namespace {

// Gradients on the device where they are wanted, and where each goes.
float* Gradient(Call& call, const float* wanted, size_t count) { return wanted == nullptr ? nullptr : call.Allocate<float>(count); }

void DownloadGradient(Call& call, float* to, const float* from, size_t count) {
  if (to != nullptr) call.Download(to, from, count);
}

// `values` [rows.rows] on the host.
template <class Rows>
Status Sum(Call& call, const Rows& rows, const Rows& here, double* values, double* loss) {
  call.Download(values, here.values, rows.rows);
  call.Download(rows.per_example, here.per_example, rows.rows);
  const Status status = call.Finish();
  if (status != Status::kOk) return status;
  double total = 0;
  for (size_t i = 0; i < rows.rows; i++) total += values[i];
  *loss = rows.scale * total;
  return status;
}

}  // namespace

Status Contrastive(const ContrastiveOp& op, const std::atomic<bool>* cancel) noexcept {
  Workspace space;
  const size_t values = space.Add<double>(op.rows.rows);
  if (!space.Allocate()) return Status::kOutOfMemory;
  Call call(cancel);
  const PairRows& rows = op.rows;
  const size_t n = rows.rows, all = n * rows.d;
  PairRows here = rows;
  here.x1 = call.Upload(rows.x1, all);
  here.x2 = call.Upload(rows.x2, all);
  here.same = call.Upload(rows.same, n);
  here.values = call.Allocate<double>(n);
  here.per_example = call.Allocate<float>(n);
  here.grad_x1 = Gradient(call, rows.grad_x1, all);
  here.grad_x2 = Gradient(call, rows.grad_x2, all);
  call.LaunchGroups(Kernel::k_contrastive_rows, n, here);
  DownloadGradient(call, rows.grad_x1, here.grad_x1, all);
  DownloadGradient(call, rows.grad_x2, here.grad_x2, all);
  return Sum(call, rows, here, space.At<double>(values), op.loss);
}

Status Triplet(const TripletOp& op, const std::atomic<bool>* cancel) noexcept {
  Workspace space;
  const size_t values = space.Add<double>(op.rows.rows);
  if (!space.Allocate()) return Status::kOutOfMemory;
  Call call(cancel);
  const TripletRows& rows = op.rows;
  const size_t n = rows.rows, all = n * rows.d;
  TripletRows here = rows;
  here.anchor = call.Upload(rows.anchor, all);
  here.positive = call.Upload(rows.positive, all);
  here.negative = call.Upload(rows.negative, all);
  here.values = call.Allocate<double>(n);
  here.per_example = call.Allocate<float>(n);
  here.grad_anchor = Gradient(call, rows.grad_anchor, all);
  here.grad_positive = Gradient(call, rows.grad_positive, all);
  here.grad_negative = Gradient(call, rows.grad_negative, all);
  call.LaunchGroups(Kernel::k_triplet_rows, n, here);
  DownloadGradient(call, rows.grad_anchor, here.grad_anchor, all);
  DownloadGradient(call, rows.grad_positive, here.grad_positive, all);
  DownloadGradient(call, rows.grad_negative, here.grad_negative, all);
  return Sum(call, rows, here, space.At<double>(values), op.loss);
}

}  // namespace cuda
}  // namespace hypersphere
