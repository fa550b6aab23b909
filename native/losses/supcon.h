// Supervised contrastive loss: log Σ e^z − (1/P) Σ_P z of each row, z = s/T. The exponentials take the similarities' place and are at once
// the gradient but for a factor.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct SupConRule {
  static constexpr size_t kSums = 1;
  float inverse;  // of the temperature

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const double each = 1 / static_cast<double>(row.positives.count);
    const float most = Greater(Extent(row, row.positives, terms).most, Extent(row, row.negatives, terms).most);
    // Against the largest: the logarithm of the sum keeps its digits.
    const double own = SumOf(row, row.positives, most, terms);
    const double pull = Exponentials(row, row.positives, inverse, most, terms), push = Exponentials(row, row.negatives, inverse, most, terms);
    const double sum = pull + push;
    row.sums[0] = scalar::Log(sum) - each * own * static_cast<double>(inverse);
    // The share of a lone positive less 1 is the others' share: near 1 nothing cancels.
    const bool alone = row.positives.count == 1;
    Scale(row, row.positives, alone ? 0 : 1 / sum, terms, alone ? -push / sum : -each);
    Scale(row, row.negatives, 1 / sum, terms);
    return true;
  }
};

// numbers: the temperature.
struct SupCon {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, SupConRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const SupConRule rule{Slope(1 / op.numbers[0])};
    const double share = 1 / AtLeastOne(sweep.Count().with_both);
    sweep.SweepToGradient(rule);
    return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(rule.inverse));
  }
};

}  // namespace hypersphere
