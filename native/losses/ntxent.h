// NT-Xent: softplus(log Σ_N e^z − z_p) over all positive pairs, z = s/T. A row's negatives are summed once for all of its positives.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct NtXentRule {
  static constexpr size_t kSums = 1;
  float inverse;  // of the temperature

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum others = ExponentialsOf(row, row.negatives, inverse, terms);
    const float reference = static_cast<float>(LogOf(others) / static_cast<double>(inverse));
    double push = 0;
    for (const Span& run : row.positives) {
      const TwoSums sums = terms.softplus(row.Run(run), run.Count(), -inverse, reference);
      row.sums[0] += sums.first;
      push += sums.second;
    }
    Scale(row, row.positives, -1, terms);
    Scale(row, row.negatives, push / others.sum, terms);
    return true;
  }
};

// numbers: the temperature.
struct NtXent {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, NtXentRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const NtXentRule rule{Slope(1 / op.numbers[0])};
    const double share = 1 / AtLeastOne(sweep.Count().positive_pairs);
    sweep.SweepToGradient(rule);
    return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(rule.inverse));
  }
};

}  // namespace hypersphere
