// Generalised lifted structure: [log Σ_P e^{d − pos} + log Σ_N e^{neg − d}]₊ of each row, the logarithm of an empty sum taken as 0. The form of
// single pairs, whose negatives are those of both rows, is the reference's.
#include "../ops/row_sweep.h"

namespace hypersphere {

// numbers: the margin of negatives, that of positives.
Status LiftedStructureLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const double of_negatives = op.numbers[0], of_positives = op.numbers[1];
  RowSweep sweep(op, {Metric::kEuclidean, op.normalize, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const RowTerms& terms = sweep.Terms();
  const double share = 1 / AtLeastOne(static_cast<double>(op.n));
  sweep.SweepToGradient([&](SweptRow& row) {
    const LogSum own = ExponentialsOf(row, row.positives, 1, terms), others = ExponentialsOf(row, row.negatives, -1, terms);
    const double pull = row.positives.count > 0 ? LogOf(own) - of_positives : 0, push = row.negatives.count > 0 ? LogOf(others) + of_negatives : 0;
    row.sums[0] = pull + push <= 0 ? 0 : pull + push;
    if (row.sums[0] == 0) return false;
    Scale(row, row.positives, 1 / own.sum, terms);
    Scale(row, row.negatives, -1 / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share);
}

}  // namespace hypersphere
