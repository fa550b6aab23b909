// Multi-similarity loss: log(1 + Σ_P e^{−α(s − base)})/α + log(1 + Σ_N e^{β(s − base)})/β of each row, of all of its pairs or of the mined
// ones: positives below the greatest negative + ε, negatives above the least positive − ε.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

// log(1 + Σ e^{slope·(s − base)}); its derivatives by slope·s take the values' place, times `sign`.
double MultiSimilaritySide(const SweptRow& row, const Side& side, float slope, double base, double sign, float low, float high, const RowTerms& terms) {
  LogSum sum = ExponentialsOf(row, side, slope, terms, low, high);
  if (sum.sum == 0) return 0;  // nothing left, and a value left out may have the greatest exponent
  sum.most -= static_cast<double>(slope) * base;
  const double value = Softplus(LogOf(sum));
  Scale(row, side, sign * scalar::Exp(sum.most - value), terms);
  return value;
}

}  // namespace

// numbers: α, β, base and ε, NaN where nothing is mined.
Status MultiSimilarityLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const double alpha = op.numbers[0], beta = op.numbers[1], base = op.numbers[2], epsilon = op.numbers[3];
  const bool mined = epsilon == epsilon;
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const RowTerms& terms = sweep.Terms();
  const double share = 1 / AtLeastOne(static_cast<double>(op.n));
  sweep.SweepToGradient([&](SweptRow& row) {
    row.sums[0] = 0;
    if (mined && !row.HasBoth()) return false;
    float low = __builtin_nanf(""), high = low;
    if (mined) {
      low = RoundedDown(static_cast<double>(Extent(row, row.positives, terms).least) - epsilon);
      high = RoundedUp(static_cast<double>(Extent(row, row.negatives, terms).most) + epsilon);
    }
    const float none = __builtin_nanf("");
    row.sums[0] = MultiSimilaritySide(row, row.positives, Slope(-alpha), base, -1, none, high, terms) / alpha +
                  MultiSimilaritySide(row, row.negatives, Slope(beta), base, 1, low, none, terms) / beta;
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share);
}

}  // namespace hypersphere
