// The weights of a head's classes, a wave of them at a time as float32 side by side on the device, and the optimizer's step on them. They come
// from the host's memory, to which they go back when moved, or from rows that stay on the device.
#pragma once

#include "../../ops/weight_rows.h"
#include "../../ops/workspace.h"
#include "resident.h"

namespace hypersphere {
namespace cuda {

class HeadWeights {
 public:
  // `kept` or, without it, the op's own. Waves have `most_cols` rows or fewer. Adds its arrays to `space`.
  HeadWeights(const MarginSoftmaxOp& op, const WeightRows& rows, const ResidentRows* kept, size_t most_cols, Workspace& space);

  // The device's memory. `space` is allocated.
  void Allocate(Call& call, bool moves);
  // Of the rows' targets: see MarginRows::Prepare. With kept rows only.
  void LaunchProducts(Call& call, const float* x, const int32_t* labels, double* products) const;
  // A wave: classes [first, first + classes) of those that take part.
  const float* Load(Call& call, size_t first, size_t classes);
  // Moves the wave that was loaded last by its gradients. Rows of the host move with Store, once the call has finished and before the next wave.
  void Update(Call& call, const float* gradients);
  void Store();

 private:
  struct Wave {
    size_t first, classes, cols;
  };

  bool Stateful() const;
  bool InPlace() const { return kept_ != nullptr && classes_ == nullptr && !kept_->half; }
  KeptRows WaveOf(const KeptRows& all) const;

  const MarginSoftmaxOp& op_;
  const WeightRows& rows_;
  const ResidentRows* const kept_;
  const size_t most_cols_;
  Workspace& space_;
  size_t weights_place_ = 0, state_place_ = 0;
  Wave wave_{};
  bool moved_ = false;  // rows of the host, as they are to be stored
  const int32_t* classes_ = nullptr;  // that take part, on the device
  float *weights_ = nullptr, *state_ = nullptr;  // of the wave, on the device
};

}  // namespace cuda
}  // namespace hypersphere
