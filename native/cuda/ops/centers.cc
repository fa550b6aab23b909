// Center loss and the centers' update. The host orders the batch's rows by label, as on the CPU, and only the centers that the batch touches
// cross the bus, in that order, or none where they stay on the device: time and memory follow the batch, never the number of classes.
#include <string.h>

#include "../../ops/class_rows.h"
#include "../args.h"
#include "../context.h"
#include "ops.h"
#include "resident.h"

namespace hypersphere {
namespace cuda {
namespace {

class TouchedCenters {
 public:
  // Adds its arrays to `space`; nothing else may be called before that is allocated. `kept`: centers that stay on the device, else null.
  TouchedCenters(Workspace& space, size_t n, size_t d, const ResidentRows* kept)
      : space_(space),
        n_(n),
        d_(d),
        kept_(kept),
        buckets_(space, n),
        places_(space.Add<int32_t>(n)),
        touched_(space.Add<int32_t>(n)),
        rows_(space.Add<float>(kept == nullptr ? n * d : 0)),
        results_(space.Add<float>(n * d)) {}

  // `centers` are the host's, where none are kept.
  void Gather(const int32_t* labels, const float* centers) {
    labels_ = labels;
    classes_ = buckets_.Sort(labels);
    for (size_t t = 0; t < classes_.count; t++) {
      space_.At<int32_t>(touched_)[t] = labels_[classes_.rows[classes_.starts[t]]];
      if (kept_ == nullptr) memcpy(space_.At<float>(rows_) + t * d_, centers + Label(t) * d_, d_ * sizeof(float));
      for (size_t j = classes_.starts[t]; j < classes_.starts[t + 1]; j++) space_.At<int32_t>(places_)[classes_.rows[j]] = static_cast<int32_t>(t);
    }
  }

  void Upload(Call& call) {
    if (kept_ == nullptr) {
      centers_ = call.Upload(space_.At<float>(rows_), classes_.count * d_);
      return;
    }
    all_ = kept_->Rows();
    all_.classes = call.Upload(space_.At<int32_t>(touched_), classes_.count);
    all_.count = classes_.count;
    centers_ = call.Allocate<float>(classes_.count * d_);
    call.LaunchGroups(Kernel::k_take_rows, classes_.count, all_, centers_);
  }
  const float* Centers() const { return centers_; }
  // Of the batch's rows among the touched classes.
  const int32_t* UploadPlaces(Call& call) const { return call.Upload(space_.At<int32_t>(places_), n_); }

  // To what Store or Download then takes.
  void LaunchSums(Call& call, const float* x, double factor, bool moves) {
    const size_t* const rows = call.Upload(classes_.rows, n_);
    const size_t* const starts = call.Upload(classes_.starts, classes_.count + 1);
    sums_ = call.Allocate<float>(classes_.count * d_);
    const size_t across = (d_ + kColumnsOfSum - 1) / kColumnsOfSum;
    const CenterSums sums{x, rows, starts, centers_, sums_, classes_.count, d_, factor, moves};
    call.LaunchGroups(Kernel::k_center_sums, classes_.count * across, sums);
  }
  void Download(Call& call) { call.Download(space_.At<float>(results_), sums_, classes_.count * d_); }
  // Among the kept ones.
  void Store(Call& call) { call.LaunchGroups(Kernel::k_put_rows, classes_.count, static_cast<const float*>(sums_), all_, HalfRounding{}); }

  // What was summed, to the classes' own rows.
  void Scatter(float* to) const {
    for (size_t t = 0; t < classes_.count; t++) memcpy(to + Label(t) * d_, space_.At<float>(results_) + t * d_, d_ * sizeof(float));
  }

 private:
  size_t Label(size_t t) const { return static_cast<size_t>(space_.At<int32_t>(touched_)[t]); }

  Workspace& space_;
  size_t n_, d_;
  const ResidentRows* const kept_;
  Buckets buckets_;
  size_t places_, touched_, rows_, results_;
  ClassRows classes_{};
  KeptRows all_{};
  const int32_t* labels_ = nullptr;
  float *centers_ = nullptr, *sums_ = nullptr;
};

Status Loss(const CenterLossOp& op, const ResidentRows* kept, const std::atomic<bool>* cancel) {
  const size_t n = op.n, d = op.d;
  Workspace space;
  const size_t squares_place = space.Add<double>(n);
  TouchedCenters touched(space, n, d, kept);
  if (!space.Allocate()) return Status::kOutOfMemory;
  touched.Gather(op.labels, op.centers);
  const double factor = 2 * op.scale;

  Call call(cancel, Precision::kReproducible, ResidentRows::Of(kept));
  const float* const x = call.Upload(op.x, n * d);
  touched.Upload(call);
  const int32_t* const places = touched.UploadPlaces(call);
  double* const squares = call.Allocate<double>(n);
  float* const per_example = call.Allocate<float>(n);
  float* const grad_x = op.grad_x == nullptr ? nullptr : call.Allocate<float>(n * d);
  call.LaunchGroups(Kernel::k_center_rows, n, CenterRows{x, places, touched.Centers(), squares, per_example, grad_x, n, d, factor});
  if (op.grad_centers != nullptr) {
    touched.LaunchSums(call, x, factor, false);
    touched.Download(call);
  }
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

// Centers move as a whole or not at all.
Status Update(const UpdateCentersOp& op, const ResidentRows* kept, const std::atomic<bool>* cancel) {
  Workspace space;
  TouchedCenters touched(space, op.n, op.d, kept);
  if (!space.Allocate()) return Status::kOutOfMemory;
  touched.Gather(op.labels, op.centers);
  Call call(cancel, Precision::kReproducible, ResidentRows::Of(kept));
  const float* const x = call.Upload(op.x, op.n * op.d);
  touched.Upload(call);
  touched.LaunchSums(call, x, op.alpha, true);
  if (kept != nullptr) {
    touched.Store(call);
    return call.Finish();
  }
  touched.Download(call);
  const Status status = call.Finish();
  if (status == Status::kOk) touched.Scatter(op.centers);
  return status;
}

}  // namespace

Status CenterLoss(const CenterLossOp& op, const std::atomic<bool>* cancel) noexcept { return Loss(op, nullptr, cancel); }
Status UpdateCenters(const UpdateCentersOp& op, const std::atomic<bool>* cancel) noexcept { return Update(op, nullptr, cancel); }

Status ResidentRows::CenterLoss(const CenterLossOp& op) const noexcept { return Loss(op, this, nullptr); }
Status ResidentRows::UpdateCenters(const UpdateCentersOp& op) noexcept { return Update(op, this, nullptr); }

}  // namespace cuda
}  // namespace hypersphere
