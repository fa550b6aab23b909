// Margin loss over all triplets without visiting them: [d − β + m]₊ of a positive pair occurs once for every negative of its anchor,
// [β − d + m]₊ of a negative one once for every positive. The divisor, the number of active terms, is known only after a sweep of its own; so is
// ∂loss/∂β, which counts terms.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct MarginRule {
  static constexpr size_t kSums = 3;
  double margin;
  const float* beta;
  const int32_t* labels;  // of the caller's rows; null where one β is all
  bool counts = false;    // and leaves no coefficients

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = row.sums[1] = row.sums[2] = 0;
    if (!row.HasBoth()) return false;
    const double boundary = static_cast<double>(beta[labels == nullptr ? 0 : labels[row.row]]);
    const double positives = static_cast<double>(row.positives.count), negatives = static_cast<double>(row.negatives.count);
    const TwoSums own = Hinge(row, row.positives, 1, boundary - margin, false, terms);
    const TwoSums others = Hinge(row, row.negatives, -1, boundary + margin, false, terms);
    row.sums[0] = negatives * own.first + positives * others.first;
    row.sums[1] = negatives * own.second + positives * others.second;
    row.sums[2] = positives * others.second - negatives * own.second;
    if (counts || !(row.sums[1] > 0)) return false;
    Scale(row, row.positives, negatives, terms);
    Scale(row, row.negatives, positives, terms);
    return true;
  }
};

// numbers: the margin, ν, which comes with one β.
struct BatchMargin {
  static SweepForm FormOf(const BatchLossOp& op) { return {Metric::kEuclidean, op.normalize, MarginRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    MarginRule rule{op.numbers[0], sweep.Lend(op.beta, op.betas), op.betas > 1 ? sweep.Lend(op.labels, op.n) : nullptr, true};
    sweep.Sweep(rule);
    const double share = 1 / AtLeastOne(sweep.Sum(1)), of_beta = sweep.Count().with_both > 0 ? op.numbers[1] : 0;
    const double loss = share * sweep.Sum(0) + (of_beta > 0 ? of_beta * static_cast<double>(op.beta[0]) : 0);
    rule.counts = false;
    if (op.grad_x != nullptr) sweep.SweepToGradient(rule);
    const Status status = sweep.Finish(loss, share);
    if (op.grad_beta != nullptr && status == Status::kOk) {
      WriteGradientOfBeta(op, sweep, sweep.Undefined() || loss != loss ? __builtin_nan("") : share, of_beta);
    }
    return status;
  }

 private:
  // From the third sums of rows. By class they come label by label, so that one running sum is enough.
  template <class Sweep>
  static void WriteGradientOfBeta(const BatchLossOp& op, Sweep& sweep, double scale, double of_first) {
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
};

}  // namespace hypersphere
