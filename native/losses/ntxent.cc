// NT-Xent: softplus(log Σ_N e^z − z_p) over all positive pairs, z = s/T. A row's negatives are summed once for all of its positives.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {

Status NtXentLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const float inverse = Slope(1 / op.numbers[0]);  // of the temperature
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const RowTerms& terms = sweep.Terms();
  const double share = 1 / AtLeastOne(sweep.Count().positive_pairs), slope = static_cast<double>(inverse);
  sweep.SweepToGradient([&](SweptRow& row) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum others = ExponentialsOf(row, row.negatives, inverse, terms);
    const float reference = static_cast<float>(LogOf(others) / slope);
    double push = 0;
    for (const Span& run : row.positives) {
      const TwoSums sums = terms.softplus(row.Run(run), run.Count(), -inverse, reference);
      row.sums[0] += sums.first;
      push += sums.second;
    }
    Scale(row, row.positives, -1, terms);
    Scale(row, row.negatives, push / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share * slope);
}

}  // namespace hypersphere
