// Center loss and the centers' update. The host orders the batch's rows by label, as on the CPU, and only the centers that the batch touches
// cross the bus, in that order: time and memory follow the batch, never the number of classes.
#include <string.h>

#include "../../ops/class_rows.h"
#include "../args.h"
#include "../context.h"
#include "ops.h"

namespace hypersphere {
namespace cuda {
namespace {

class TouchedCenters {
 public:
  // Adds its arrays to `space`; nothing else may be called before that is allocated.
  TouchedCenters(Workspace& space, size_t n, size_t d)
      : space_(space), n_(n), d_(d), buckets_(space, n), places_(space.Add<int32_t>(n)), rows_(space.Add<float>(n * d)), results_(space.Add<float>(n * d)) {}

  void Gather(const int32_t* labels, const float* centers) {
    labels_ = labels;
    classes_ = buckets_.Sort(labels);
    for (size_t t = 0; t < classes_.count; t++) {
      memcpy(space_.At<float>(rows_) + t * d_, centers + Label(t) * d_, d_ * sizeof(float));
      for (size_t j = classes_.starts[t]; j < classes_.starts[t + 1]; j++) space_.At<int32_t>(places_)[classes_.rows[j]] = static_cast<int32_t>(t);
    }
  }

  void Upload(Call& call) { centers_ = call.Upload(space_.At<float>(rows_), classes_.count * d_); }
  const float* Centers() const { return centers_; }
  // Of the batch's rows among the touched classes.
  const int32_t* UploadPlaces(Call& call) const { return call.Upload(space_.At<int32_t>(places_), n_); }

  void LaunchSums(Call& call, const float* x, double factor, bool moves) {
    const size_t* const rows = call.Upload(classes_.rows, n_);
    const size_t* const starts = call.Upload(classes_.starts, classes_.count + 1);
    float* const out = call.Allocate<float>(classes_.count * d_);
    const size_t across = (d_ + kColumnsOfSum - 1) / kColumnsOfSum;
    call.LaunchGroups(Kernel::k_center_sums, classes_.count * across, CenterSums{x, rows, starts, centers_, out, classes_.count, d_, factor, moves});
    call.Download(space_.At<float>(results_), out, classes_.count * d_);
  }

  // What was summed, to the classes' own rows.
  void Scatter(float* to) const {
    for (size_t t = 0; t < classes_.count; t++) memcpy(to + Label(t) * d_, space_.At<float>(results_) + t * d_, d_ * sizeof(float));
  }

 private:
  size_t Label(size_t t) const { return static_cast<size_t>(labels_[classes_.rows[classes_.starts[t]]]); }

  Workspace& space_;
  size_t n_, d_;
  Buckets buckets_;
  size_t places_, rows_, results_;
  ClassRows classes_{};
  const int32_t* labels_ = nullptr;
  const float* centers_ = nullptr;
};

}  // namespace

Status CenterLoss(const CenterLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const size_t n = op.n, d = op.d;
  Workspace space;
  const size_t squares_place = space.Add<double>(n);
  TouchedCenters touched(space, n, d);
  if (!space.Allocate()) return Status::kOutOfMemory;
  touched.Gather(op.labels, op.centers);
  const double factor = 2 * op.scale;

  Call call(cancel);
  const float* const x = call.Upload(op.x, n * d);
  touched.Upload(call);
  const int32_t* const places = touched.UploadPlaces(call);
  double* const squares = call.Allocate<double>(n);
  float* const per_example = call.Allocate<float>(n);
  float* const grad_x = op.grad_x == nullptr ? nullptr : call.Allocate<float>(n * d);
  call.LaunchGroups(Kernel::k_center_rows, n, CenterRows{x, places, touched.Centers(), squares, per_example, grad_x, n, d, factor});
  if (op.grad_centers != nullptr) touched.LaunchSums(call, x, factor, false);
  call.Download(space.At<double>(squares_place), squares, n);
  call.Download(op.per_example, per_example, n);
  if (op.grad_x != nullptr) call.Download(op.grad_x, grad_x, n * d);
  const Status status = call.Finish();
  if (status != Status::kOk) return status;

  double total = 0;
  for (size_t i = 0; i < n; i++) total += space.At<double>(squares_place)[i];
  *op.loss = op.scale * total;
  if (op.grad_centers == nullptr) return status;
  memset(op.grad_centers, 0, op.classes * d * sizeof(float));
  touched.Scatter(op.grad_centers);
  return status;
}

Status UpdateCenters(const UpdateCentersOp& op, const std::atomic<bool>* cancel) noexcept {
  Workspace space;
  TouchedCenters touched(space, op.n, op.d);
  if (!space.Allocate()) return Status::kOutOfMemory;
  touched.Gather(op.labels, op.centers);
  Call call(cancel);
  const float* const x = call.Upload(op.x, op.n * op.d);
  touched.Upload(call);
  touched.LaunchSums(call, x, op.alpha, true);
  const Status status = call.Finish();
  // Centers move as a whole or not at all.
  if (status == Status::kOk) touched.Scatter(op.centers);
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
