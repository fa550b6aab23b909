// Neighbourhood components analysis: softplus(log Σ_N e^z − log Σ_P e^z), z = −scale·‖x − y‖², of each row that has a positive. Both sums
// are taken against their own greatest exponent, so that nothing is lost where one side fills the other.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {

// numbers: the scale. The caller has seen to it that no square is beyond float32.
Status NcaLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const float scale = Slope(op.numbers[0]);
  RowSweep sweep(op, {Metric::kSquaredEuclidean, op.normalize, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const double share = 1 / AtLeastOne(sweep.Count().with_positives);
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum own = ExponentialsOf(row, row.positives, -scale, terms), others = ExponentialsOf(row, row.negatives, -scale, terms);
    const double odds = others.most - own.most + scalar::Log(others.sum / own.sum), pull = Sigmoid(odds);
    row.sums[0] = Softplus(odds);
    Scale(row, row.positives, pull / own.sum, terms);
    Scale(row, row.negatives, -pull / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(scale));
}

}  // namespace hypersphere
