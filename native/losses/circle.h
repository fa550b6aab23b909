// Circle loss: softplus(log Σ_P e^z + log Σ_N e^z) of each row, whose logits are the similarities weighed by how far they are from their
// optimum.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct CircleRule {
  static constexpr size_t kSums = 1;
  RowCircle of_positives, of_negatives;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum own = Logits(row, row.positives, of_positives, terms), others = Logits(row, row.negatives, of_negatives, terms);
    const double both = LogOf(own) + LogOf(others), slope = Sigmoid(both);
    row.sums[0] = Softplus(both);
    Scale(row, row.positives, slope / own.sum, terms);
    Scale(row, row.negatives, slope / others.sum, terms);
    return true;
  }

 private:
  // Leaves e^{z − most} times the logits' slopes.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE static LogSum Logits(const SweptRow& row, const Side& side, RowCircle rule, const Terms& terms) {
    float most = -__builtin_inff();
    for (const Span& run : side) most = Greater(terms.circle_most(row.Run(run), run.Count(), rule), most);
    rule.reference = most;
    double sum = 0;
    for (const Span& run : side) sum += terms.circle(row.Run(run), run.Count(), rule);
    return {static_cast<double>(most), sum};
  }
};

// numbers: m and γ.
struct Circle {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, CircleRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const float m = static_cast<float>(op.numbers[0]), gamma = static_cast<float>(op.numbers[1]);
    const double share = 1 / AtLeastOne(sweep.Count().with_both);
    sweep.SweepToGradient(CircleRule{{-gamma, -1, 1 + m, 1 - m, 0}, {gamma, 1, -m, m, 0}});
    return sweep.Finish(share * sweep.Sum(0), share);
  }
};

}  // namespace hypersphere
