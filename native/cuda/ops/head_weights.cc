#include "head_weights.h"

namespace hypersphere {
namespace cuda {

HeadWeights::HeadWeights(const MarginSoftmaxOp& op, const WeightRows& rows, const ResidentRows* kept, size_t most_cols, Workspace& space)
    : op_(op), rows_(rows), kept_(kept), most_cols_(most_cols), space_(space) {
  if (kept != nullptr) return;
  weights_place_ = space.Add<float>(rows.InPlace() && op.update == nullptr ? 0 : most_cols * op.d);
  state_place_ = space.Add<float>(op.update != nullptr && Stateful() ? most_cols * op.d : 0);
}

bool HeadWeights::Stateful() const {
  return kept_ != nullptr ? kept_->stateful : op_.update->state != nullptr || op_.update->half_state != nullptr;
}

void HeadWeights::Allocate(Call& call, bool moves) {
  if (kept_ != nullptr && op_.rows != nullptr) classes_ = call.Upload(op_.rows, op_.classes);
  if (InPlace()) return;
  weights_ = call.Allocate<float>(most_cols_ * op_.d);
  if (moves && op_.update != nullptr && Stateful()) state_ = call.Allocate<float>(most_cols_ * op_.d);
}

// Those that take part of all rows, or of their state; with chosen classes the wave's begin at `first`.
KeptRows HeadWeights::WaveOf(const KeptRows& all) const {
  KeptRows wave = all;
  wave.k = op_.margin.k;
  wave.first = wave_.first * wave.k;
  wave.classes = classes_ == nullptr ? nullptr : classes_ + wave_.first;
  wave.count = wave_.cols;
  return wave;
}

void HeadWeights::LaunchProducts(Call& call, const float* x, const int32_t* labels, double* products) const {
  KeptRows all = kept_->Rows();
  all.k = op_.margin.k;
  all.classes = classes_;
  call.LaunchGroups(Kernel::k_target_products, op_.n * all.k, x, labels, op_.n, all, products);
}

const float* HeadWeights::Load(Call& call, size_t first, size_t classes) {
  wave_ = {first, classes, classes * op_.margin.k};
  if (InPlace()) return kept_->Rows().rows + first * op_.margin.k * op_.d;
  if (kept_ != nullptr) {
    call.LaunchGroups(Kernel::k_take_rows, wave_.cols, WaveOf(kept_->Rows()), weights_);
    return weights_;
  }
  call.Upload(weights_, rows_.Load(first, classes, space_.At<float>(weights_place_)), wave_.cols * op_.d);
  return weights_;
}

void HeadWeights::Update(Call& call, const float* gradients) {
  const size_t d = op_.d, count = wave_.cols * d;
  if (InPlace()) {
    const size_t at = wave_.first * op_.margin.k * d;
    float* const state = kept_->stateful ? kept_->State().rows + at : nullptr;
    call.LaunchGroups(Kernel::k_update_weights, wave_.cols, rows_.UpdateOf(kept_->Rows().rows + at, state, gradients, count), d);
    return;
  }
  if (kept_ != nullptr) {
    if (state_ != nullptr) call.LaunchGroups(Kernel::k_take_rows, wave_.cols, WaveOf(kept_->State()), state_);
    call.LaunchGroups(Kernel::k_update_weights, wave_.cols, rows_.UpdateOf(weights_, state_, gradients, count), d);
    const HalfRounding rounding{op_.update->stochastic, false, op_.update->seed}, of_state{op_.update->stochastic, true, op_.update->seed};
    const float *const weights = weights_, *const state = state_;
    call.LaunchGroups(Kernel::k_put_rows, wave_.cols, weights, WaveOf(kept_->Rows()), rounding);
    if (state != nullptr) call.LaunchGroups(Kernel::k_put_rows, wave_.cols, state, WaveOf(kept_->State()), of_state);
    return;
  }
  float* const state = rows_.LoadState(wave_.first, wave_.classes, state_ == nullptr ? nullptr : space_.At<float>(state_place_));
  if (state != nullptr) call.Upload(state_, state, count);
  call.LaunchGroups(Kernel::k_update_weights, wave_.cols, rows_.UpdateOf(weights_, state_, gradients, count), d);
  call.Download(space_.At<float>(weights_place_), weights_, count);
  if (state != nullptr) call.Download(space_.At<float>(state_place_), state_, count);
  moved_ = true;
}

void HeadWeights::Store() {
  if (moved_) rows_.Put(wave_.first, wave_.classes, space_.At<float>(weights_place_), state_ == nullptr ? nullptr : space_.At<float>(state_place_));
  moved_ = false;
}

}  // namespace cuda
}  // namespace hypersphere
