// The cross-entropy of given logits row by row, from the running state of each row's softmax, in double.
#pragma once

#include "softmax_loss.h"

namespace hypersphere {

class CrossEntropyRows {
 public:
  explicit CrossEntropyRows(const CrossEntropyOp& op) : op_(op) {
    double counted = 0;
    for (size_t c = 0; c < op.classes; c++) all_ += Weight(c);
    for (size_t i = 0; i < op.n; i++) {
      if (op.labels[i] != kIgnored) counted += Weight(static_cast<size_t>(op.labels[i]));
    }
    common_ = op.reduction == Reduction::kMean ? (counted > 0 ? 1 / counted : 0) : 1;
  }

  // Zeros for a row that counts nowhere.
  RowLoss Loss(size_t i, const SoftmaxState& state) const {
    if (op_.labels[i] == kIgnored) return {};
    const size_t y = static_cast<size_t>(op_.labels[i]);
    return SoftmaxLoss(Combined(&state, 1, 1), static_cast<double>(op_.logits[i * op_.classes + y]),
                       {op_.label_smoothing / static_cast<double>(op_.classes), Weight(y), all_, Scale(i), op_.label_smoothing});
  }

  double Total(const double* losses) const {
    double loss = 0;
    for (size_t i = 0; i < op_.n; i++) {
      if (op_.labels[i] != kIgnored) loss += Weighted(Scale(i), losses[i]);
    }
    return loss;
  }

 private:
  double Weight(size_t c) const { return op_.class_weights == nullptr ? 1 : static_cast<double>(op_.class_weights[c]); }
  double Scale(size_t i) const { return common_ * (op_.grad_output == nullptr ? 1 : static_cast<double>(op_.grad_output[i])); }

  const CrossEntropyOp& op_;
  double all_ = 0, common_ = 1;
};

}  // namespace hypersphere
