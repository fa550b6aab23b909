// Circle loss: softplus(log Σ_P e^z + log Σ_N e^z) of each row, whose logits are the similarities weighed by how far they are from their
// optimum.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

// Leaves e^{z − most} times the logits' slopes.
LogSum CircleSide(const SweptRow& row, const Side& side, RowCircle rule, const RowTerms& terms) {
  float most = -__builtin_inff();
  for (const Span& run : side) most = Greater(terms.circle_most(row.Run(run), run.Count(), rule), most);
  rule.reference = most;
  double sum = 0;
  for (const Span& run : side) sum += terms.circle(row.Run(run), run.Count(), rule);
  return {static_cast<double>(most), sum};
}

}  // namespace

Status CircleLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const float m = static_cast<float>(op.numbers[0]), gamma = static_cast<float>(op.numbers[1]);
  const RowCircle of_positives{-gamma, -1, 1 + m, 1 - m, 0}, of_negatives{gamma, 1, -m, m, 0};
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const RowTerms& terms = sweep.Terms();
  const double share = 1 / AtLeastOne(sweep.Count().with_both);
  sweep.SweepToGradient([&](SweptRow& row) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum own = CircleSide(row, row.positives, of_positives, terms), others = CircleSide(row, row.negatives, of_negatives, terms);
    const double both = LogOf(own) + LogOf(others), slope = Sigmoid(both);
    row.sums[0] = Softplus(both);
    Scale(row, row.positives, slope / own.sum, terms);
    Scale(row, row.negatives, slope / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share);
}

}  // namespace hypersphere
