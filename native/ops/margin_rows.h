// What a head keeps of each row of the batch, O(B·D) in all: its unit row, its target with the margin, and, once the other classes'
// sums are known, its loss and the coefficients of its gradient. In double throughout: it is done once a row.
#pragma once

#include <atomic>

#include "margins.h"
#include "softmax_loss.h"
#include "weight_rows.h"
#include "workspace.h"

namespace hypersphere {

class MarginRows {
 public:
  // Adds its arrays to `space`; nothing else may be called before that is allocated.
  MarginRows(const MarginSoftmaxOp& op, const WeightRows& weights, Workspace& space, int threads);

  // Lengths, unit rows and targets. `products` are x·w and w·w of each row and each row w of its target, [n, k, 2], where somebody else has
  // computed them; the weights are not looked at then.
  Status Prepare(const std::atomic<bool>* cancel, const double* products = nullptr);
  // From the sums over the other classes, states [blocks, n] in the order of the classes or the statistics of all shards: the
  // losses and the coefficients of the gradients.
  Status Finish(const SoftmaxState* states, size_t blocks, const std::atomic<bool>* cancel);
  // The statistics of this shard, instead of losses.
  void Export(const SoftmaxState* states, size_t blocks) const;
  // From Σ gradient·w over the classes to the gradient of x, in place.
  Status FinishGradients(float* sums, const std::atomic<bool>* cancel) const;
  // Replaces the targets' logits, which the kernels know nothing of, in [n, classes].
  void PlaceTargets(float* logits) const;

  // s·x̂ where the margin wants unit rows, else x.
  const float* Scaled() const { return scaled_; }
  // By which row i becomes that; 1 for all where it is x.
  bool Scales() const { return space_of_logits.unit_x || space_of_logits.scale != 1; }
  double Factor(size_t i) const;
  bool Counts(size_t i) const { return op_.labels[i] != kIgnored; }
  bool Here(size_t i) const { return op_.labels[i] >= 0; }

  ColumnRule rule;
  Space space_of_logits;
  // Per row, as SoftmaxBlock has them.
  float *thresholds, *references, *factors, *shares, *target_gradients, *target_columns;
  // What the target's weight row gets beside its column's product: times x in place of that (caffe), and times w.
  float *caffe_columns, *along_weights;
  bool caffe, moves_along_weights;

 private:
  void Gather(size_t i, const double* products, float* buffer);
  void SetTarget(size_t i);
  double SoftmaxLossOf(size_t i, const OtherClasses& others);
  double BinaryLoss(size_t i, const OtherClasses& others);
  double Scale(size_t i) const;
  void SetBatchWeights();

  const MarginSoftmaxOp& op_;
  const WeightRows& weights_;
  Workspace& workspace_;
  int threads_;
  size_t k_;
  bool binary_;
  size_t scaled_place_, norms_place_, dots_place_, cosines_place_, along_place_, norms_w_place_, targets_place_, gradients_place_, floats_place_, buffers_place_;
  const float* scaled_ = nullptr;
  double *norms_ = nullptr, *dots_ = nullptr, *cosines_ = nullptr, *along_ = nullptr, *norms_w_ = nullptr, *gradients_ = nullptr;
  TargetLogit* targets_ = nullptr;
  BatchNumbers batch_{};
  double common_ = 1, counted_ = 0, all_weights_ = 0;
};

}  // namespace hypersphere
