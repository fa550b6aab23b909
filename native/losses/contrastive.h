// Contrastive loss over the pairs of a batch: [d − pos]₊ of positives, [neg − d]₊ of negatives, mirrored for similarities, each kind by its
// own mean. The number of pairs is known beforehand, that of active ones only after a sweep of its own.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct ContrastiveRule {
  static constexpr size_t kSums = 4;
  RowHinge of_positives, of_negatives;
  bool counts = false;  // and leaves no coefficients
  double to_own = 0, to_others = 0;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    const TwoSums own = Hinge(row, row.positives, of_positives, terms), others = Hinge(row, row.negatives, of_negatives, terms);
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

// numbers: the margin of positives, that of negatives.
struct BatchContrastive {
  static SweepForm FormOf(const BatchLossOp& op) { return {op.metric, op.normalize, ContrastiveRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const float side = op.metric == Metric::kCosineSimilarity ? -1 : 1;
    ContrastiveRule rule{{side, static_cast<float>(op.numbers[0])}, {-side, static_cast<float>(op.numbers[1])}};
    const bool active = op.reduction == TermReduction::kMeanPositive, all = op.reduction == TermReduction::kMean;
    rule.counts = true;
    if (active) sweep.Sweep(rule);
    rule.counts = false;
    const double positives = active ? sweep.Sum(1) : all ? sweep.Count().positive_pairs : 1;
    const double negatives = active ? sweep.Sum(3) : all ? sweep.Count().negative_pairs : 1;
    rule.to_own = 1 / AtLeastOne(positives);
    rule.to_others = 1 / AtLeastOne(negatives);
    if (!active || op.grad_x != nullptr) sweep.SweepToGradient(rule);
    return sweep.Finish(rule.to_own * sweep.Sum(0) + rule.to_others * sweep.Sum(2), 1);
  }
};

}  // namespace hypersphere
