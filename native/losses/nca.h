// Neighbourhood components analysis: softplus(log Σ_N e^z − log Σ_P e^z), z = −scale·‖x − y‖², of each row that has a positive. Both sums
// are taken against their own greatest exponent, so that nothing is lost where one side fills the other.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct NcaRule {
  static constexpr size_t kSums = 1;
  float scale;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum own = ExponentialsOf(row, row.positives, -scale, terms), others = ExponentialsOf(row, row.negatives, -scale, terms);
    const double odds = others.most - own.most + scalar::Log(others.sum / own.sum), pull = Sigmoid(odds);
    row.sums[0] = Softplus(odds);
    Scale(row, row.positives, pull / own.sum, terms);
    Scale(row, row.negatives, -pull / others.sum, terms);
    return true;
  }
};

// numbers: the scale. The caller has seen to it that no square is beyond float32.
struct Nca {
  static SweepForm FormOf(const BatchLossOp& op) { return {Metric::kSquaredEuclidean, op.normalize, NcaRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const NcaRule rule{Slope(op.numbers[0])};
    const double share = 1 / AtLeastOne(sweep.Count().with_positives);
    sweep.SweepToGradient(rule);
    return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(rule.scale));
  }
};

}  // namespace hypersphere
