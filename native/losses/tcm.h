// Threshold-consistent margin: [pos − s]₊ of positives and [s − neg]₊ of negatives, each kind weighed, by the mean over its pairs on the wrong side of
// their margin or on it. Their number is known only after a sweep of its own.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct TcmRule {
  static constexpr size_t kSums = 4;
  double of_positives, of_negatives;  // margins
  bool counts = false;                // and leaves no coefficients
  double to_own = 0, to_others = 0;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    const TwoSums own = Hinge(row, row.positives, -1, of_positives, true, terms);
    const TwoSums others = Hinge(row, row.negatives, 1, of_negatives, true, terms);
    row.sums[0] = own.first;
    row.sums[1] = own.second;
    row.sums[2] = others.first;
    row.sums[3] = others.second;
    if (counts || own.second + others.second == 0) return false;
    Scale(row, row.positives, to_own, terms);
    Scale(row, row.negatives, to_others, terms);
    return true;
  }
};

// numbers: the weight of positives, that of negatives, their margins.
struct Tcm {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, TcmRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    TcmRule rule{op.numbers[2], op.numbers[3], true};
    sweep.Sweep(rule);
    // At these margins only pairs without an excess and without a direction count, and rounding decides which.
    const bool own = op.numbers[2] > -1, others = op.numbers[3] < 1;
    const double to_own = own ? op.numbers[0] / AtLeastOne(sweep.Sum(1)) : 0, to_others = others ? op.numbers[1] / AtLeastOne(sweep.Sum(3)) : 0;
    const double loss = to_own * sweep.Sum(0) + to_others * sweep.Sum(2);
    // Weights are any numbers: coefficients relative to the greater stay in float32.
    const double most = to_own > to_others ? to_own : to_others;
    rule.counts = false;
    rule.to_own = to_own / most;
    rule.to_others = to_others / most;
    if (op.grad_x != nullptr && most > 0) sweep.SweepToGradient(rule);
    return sweep.Finish(loss, most);
  }
};

}  // namespace hypersphere
