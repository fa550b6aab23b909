// Supervised contrastive loss: log Σ e^z − (1/P) Σ_P z of each row, z = s/T. The exponentials take the similarities' place and are at once
// the gradient but for a factor.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {

Status SupConLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const float inverse = Slope(1 / op.numbers[0]);  // of the temperature
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const RowTerms& terms = sweep.Terms();
  const double share = 1 / AtLeastOne(sweep.Count().with_both);
  sweep.SweepToGradient([&](SweptRow& row) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const double each = 1 / static_cast<double>(row.positives.count);
    const float most = Greater(Extent(row, row.positives, terms).most, Extent(row, row.negatives, terms).most);
    // Against the largest: the logarithm of the sum keeps its digits.
    double own = 0;
    for (const Span& run : row.positives) own += terms.sum(row.Run(run), run.Count(), most);
    const double pull = Exponentials(row, row.positives, inverse, most, terms), push = Exponentials(row, row.negatives, inverse, most, terms);
    const double sum = pull + push;
    row.sums[0] = scalar::Log(sum) - each * own * static_cast<double>(inverse);
    // The share of a lone positive less 1 is the others' share: near 1 nothing cancels.
    const bool alone = row.positives.count == 1;
    Scale(row, row.positives, alone ? 0 : 1 / sum, terms, alone ? -push / sum : -each);
    Scale(row, row.negatives, 1 / sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(inverse));
}

}  // namespace hypersphere
