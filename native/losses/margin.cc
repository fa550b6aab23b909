// Margin loss over all triplets without visiting them: [d − β + m]₊ of a positive pair occurs once for every negative of its anchor,
// [β − d + m]₊ of a negative one once for every positive. The divisor, the number of active terms, is known only after a sweep of its own; so is
// ∂loss/∂β, which counts terms.
#include "../ops/row_sweep.h"

namespace hypersphere {
namespace {

// From the third sums of rows. By class they come label by label, so that one running sum is enough.
void WriteGradientOfBeta(const BatchLossOp& op, const RowSweep& sweep, double scale, double of_first) {
  const bool undefined = scale != scale;
  for (size_t t = 0; t < op.betas; t++) op.grad_beta[t] = undefined ? __builtin_nanf("") : static_cast<float>(t == 0 ? of_first : 0);
  double sum = op.betas > 1 ? 0 : of_first;
  for (size_t at = 0; at < op.n && !undefined; at++) {
    const size_t row = sweep.Rows().Given(at);
    sum += scale * sweep.SumAt(at, 2);
    if (op.betas > 1) {
      op.grad_beta[op.labels[row]] = static_cast<float>(sum);
      if (at + 1 < op.n && op.labels[sweep.Rows().Given(at + 1)] != op.labels[row]) sum = 0;
    } else {
      op.grad_beta[0] = static_cast<float>(sum);
    }
  }
}

}  // namespace

// numbers: the margin, ν, which comes with one β.
Status MarginLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const double margin = op.numbers[0], nu = op.numbers[1];
  RowSweep sweep(op, {Metric::kEuclidean, op.normalize, 3}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const auto hinge = [&](SweptRow& row, const RowTerms& terms) {
    row.sums[0] = row.sums[1] = row.sums[2] = 0;
    if (!row.HasBoth()) return false;
    const double beta = static_cast<double>(op.beta[op.betas > 1 ? op.labels[row.row] : 0]);
    const double positives = static_cast<double>(row.positives.count), negatives = static_cast<double>(row.negatives.count);
    const TwoSums own = Hinge(row, row.positives, 1, beta - margin, false, terms);
    const TwoSums others = Hinge(row, row.negatives, -1, beta + margin, false, terms);
    row.sums[0] = negatives * own.first + positives * others.first;
    row.sums[1] = negatives * own.second + positives * others.second;
    row.sums[2] = positives * others.second - negatives * own.second;
    return row.sums[1] > 0;
  };
  sweep.Sweep(hinge);
  const double share = 1 / AtLeastOne(sweep.Sum(1)), of_beta = sweep.Count().with_both > 0 ? nu : 0;
  const double loss = share * sweep.Sum(0) + (of_beta > 0 ? of_beta * static_cast<double>(op.beta[0]) : 0);
  if (op.grad_x != nullptr) {
    sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
      if (!hinge(row, terms)) return false;
      Scale(row, row.positives, static_cast<double>(row.negatives.count), terms);
      Scale(row, row.negatives, static_cast<double>(row.positives.count), terms);
      return true;
    });
  }
  if (op.grad_beta != nullptr && !sweep.Failed()) {
    WriteGradientOfBeta(op, sweep, sweep.Undefined() || loss != loss ? __builtin_nan("") : share, of_beta);
  }
  return sweep.Finish(loss, share);
}

}  // namespace hypersphere
