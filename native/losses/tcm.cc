// Threshold-consistent margin: [pos − s]₊ of positives and [s − neg]₊ of negatives, each kind weighed, by the mean over its pairs on the wrong side of
// their margin or on it. Their number is known only after a sweep of its own.
#include "../ops/row_sweep.h"

namespace hypersphere {

// numbers: the weight of positives, that of negatives, their margins.
Status TcmLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 4}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const auto hinge = [&](SweptRow& row, const RowTerms& terms) {
    const TwoSums own = Hinge(row, row.positives, -1, op.numbers[2], true, terms);
    const TwoSums others = Hinge(row, row.negatives, 1, op.numbers[3], true, terms);
    row.sums[0] = own.first;
    row.sums[1] = own.second;
    row.sums[2] = others.first;
    row.sums[3] = others.second;
  };
  sweep.Sweep(hinge);
  // At these margins only pairs without an excess and without a direction count, and rounding decides which.
  const bool own = op.numbers[2] > -1, others = op.numbers[3] < 1;
  const double to_own = own ? op.numbers[0] / AtLeastOne(sweep.Sum(1)) : 0, to_others = others ? op.numbers[1] / AtLeastOne(sweep.Sum(3)) : 0;
  const double loss = to_own * sweep.Sum(0) + to_others * sweep.Sum(2);
  // Weights are any numbers: coefficients relative to the greater stay in float32.
  const double most = to_own > to_others ? to_own : to_others;
  if (op.grad_x != nullptr && most > 0) {
    sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
      hinge(row, terms);
      if (row.sums[1] + row.sums[3] == 0) return false;
      Scale(row, row.positives, to_own / most, terms);
      Scale(row, row.negatives, to_others / most, terms);
      return true;
    });
  }
  return sweep.Finish(loss, most);
}

}  // namespace hypersphere
