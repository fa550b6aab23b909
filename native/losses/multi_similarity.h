// Multi-similarity loss: log(1 + Σ_P e^{−α(s − base)})/α + log(1 + Σ_N e^{β(s − base)})/β of each row, of all of its pairs or of the mined
// ones: positives below the greatest negative + ε, negatives above the least positive − ε.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct MultiSimilarityRule {
  static constexpr size_t kSums = 1;
  double alpha, beta, base, epsilon;  // NaN where nothing is mined

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    const bool mined = epsilon == epsilon;
    row.sums[0] = 0;
    if (mined && !row.HasBoth()) return false;
    const float none = __builtin_nanf("");
    float low = none, high = none;
    if (mined) {
      low = RoundedDown(static_cast<double>(Extent(row, row.positives, terms).least) - epsilon);
      high = RoundedUp(static_cast<double>(Extent(row, row.negatives, terms).most) + epsilon);
    }
    row.sums[0] = OfSide(row, row.positives, Slope(-alpha), -1, none, high, terms) / alpha + OfSide(row, row.negatives, Slope(beta), 1, low, none, terms) / beta;
    return true;
  }

 private:
  // log(1 + Σ e^{slope·(s − base)}); its derivatives by slope·s take the values' place, times `sign`.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE double OfSide(const SweptRow& row, const Side& side, float slope, double sign, float low, float high, const Terms& terms) const {
    LogSum sum = ExponentialsOf(row, side, slope, terms, low, high);
    if (sum.sum == 0) return 0;  // nothing left, and a value left out may have the greatest exponent
    sum.most -= static_cast<double>(slope) * base;
    const double value = Softplus(LogOf(sum));
    Scale(row, side, sign * scalar::Exp(sum.most - value), terms);
    return value;
  }
};

// numbers: α, β, base and ε, NaN where nothing is mined.
struct MultiSimilarity {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, MultiSimilarityRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const double share = 1 / AtLeastOne(static_cast<double>(op.n));
    sweep.SweepToGradient(MultiSimilarityRule{op.numbers[0], op.numbers[1], op.numbers[2], op.numbers[3]});
    return sweep.Finish(share * sweep.Sum(0), share);
  }
};

}  // namespace hypersphere
