// The rows of weights that take part in a head's op, a run of classes at a time and as float32, whatever they are stored as.
#pragma once

#include <string.h>

#include "../api.h"
#include "blocks.h"

namespace hypersphere {

class WeightRows {
 public:
  WeightRows(const MarginSoftmaxOp& op, const KernelTable& kernels) : op_(op), kernels_(kernels), k_(op.margin.k) {}

  // Where the rows are as the kernels want them, nothing is copied and nothing written back.
  bool InPlace() const { return op_.half_weights == nullptr && op_.rows == nullptr; }

  // Where the first row of a class begins among all weights.
  size_t Place(size_t of_class) const { return (op_.rows == nullptr ? of_class : static_cast<size_t>(op_.rows[of_class])) * k_ * op_.d; }

  // Rows of classes [first, first + count), perhaps in `buffer`.
  const float* Load(size_t first, size_t count, float* buffer) const {
    return InPlace() ? op_.weights + Place(first) : Gather(op_.weights, op_.half_weights, first, count, buffer);
  }

  // The optimiser's state of the same rows, perhaps in `buffer`; null where it keeps none.
  float* LoadState(size_t first, size_t count, float* buffer) const {
    const WeightUpdate& update = *op_.update;
    if (update.state == nullptr && update.half_state == nullptr) return nullptr;
    return StateInPlace() ? update.state + Place(first) : Gather(update.state, update.half_state, first, count, buffer);
  }

  // Takes back what Load and LoadState returned, moved.
  void Store(size_t first, size_t count, const float* weights, const float* state) const {
    if (!InPlace()) Scatter(weights, first, count, op_.weights, op_.half_weights, false);
    if (state != nullptr && !StateInPlace()) Scatter(state, first, count, op_.update->state, op_.update->half_state, true);
  }

  // Takes moved rows and state that lie elsewhere, those in place, too.
  void Put(size_t first, size_t count, const float* weights, const float* state) const {
    Scatter(weights, first, count, op_.weights, op_.half_weights, false);
    if (state != nullptr) Scatter(state, first, count, op_.update->state, op_.update->half_state, true);
  }

  // Of rows that lie as `count` elements side by side.
  UpdateBlock UpdateOf(float* weights, float* state, const float* gradients, size_t count) const {
    const WeightUpdate& update = *op_.update;
    return {weights, state, gradients, count, update.rule, static_cast<float>(update.learning_rate), static_cast<float>(update.momentum),
            static_cast<float>(update.weight_decay), static_cast<float>(update.eps)};
  }

  // Moves the rows, which Load returned as `weights`, by their gradients. `state_buffer` has room for as many.
  void Update(size_t first, size_t count, const float* weights, const float* gradients, float* state_buffer) const {
    float* const state = LoadState(first, count, state_buffer);
    // Load returned memory that is writable: the weights themselves or the caller's buffer.
    kernels_.update_weights(UpdateOf(const_cast<float*>(weights), state, gradients, count * k_ * op_.d));
    Store(first, count, weights, state);
  }

 private:
  bool StateInPlace() const { return op_.rows == nullptr && op_.update->state != nullptr; }

  // Consecutive classes that are consecutive among all weights, too: one of them unless no rows are chosen.
  size_t RunOf(size_t count) const { return op_.rows == nullptr ? count : 1; }

  float* Gather(const float* floats, const uint16_t* halves, size_t first, size_t count, float* buffer) const {
    const size_t run = RunOf(count), elements = run * k_ * op_.d;
    for (size_t c = 0; c < count; c += run) {
      float* to = buffer + c * k_ * op_.d;
      if (halves != nullptr) {
        kernels_.widen(halves + Place(first + c), elements, to);
      } else {
        memcpy(to, floats + Place(first + c), elements * sizeof(float));
      }
    }
    return buffer;
  }

  void Scatter(const float* from, size_t first, size_t count, float* floats, uint16_t* halves, bool state) const {
    const size_t run = RunOf(count), elements = run * k_ * op_.d;
    for (size_t c = 0; c < count; c += run, from += elements) {
      const size_t place = Place(first + c);
      if (halves == nullptr) {
        memcpy(floats + place, from, elements * sizeof(float));
      } else if (op_.update->stochastic) {
        kernels_.narrow_stochastic(from, elements, {op_.update->seed, place, state}, halves + place);
      } else {
        kernels_.narrow(from, elements, halves + place);
      }
    }
  }

  const MarginSoftmaxOp& op_;
  const KernelTable& kernels_;
  size_t k_;
};

}  // namespace hypersphere
