// Intra-pair variance: the mean square of how far pairs lie on the wrong side of their kind's mean similarity. One sweep for the means, one for
// the values, and one for the gradient, since each pair moves its own term and, through the mean, all of them.
#include "../ops/row_sweep.h"

namespace hypersphere {
namespace {

struct Kind {
  double side, bound, share, mean, excess;
  RowHinge Rule() const { return {static_cast<float>(-side), static_cast<float>(bound * mean)}; }
};

double Sum(const SweptRow& row, const Side& side, const RowTerms& terms) {
  double sum = 0;
  for (const Span& run : side) sum += terms.sum(row.Run(run), run.Count(), 0);
  return sum;
}

// Leaves the excesses.
TwoSums Excesses(const SweptRow& row, const Side& side, const Kind& kind, const RowTerms& terms) {
  TwoSums all{};
  for (const Span& run : side) {
    const TwoSums sums = terms.hinge_squares(row.Run(run), run.Count(), kind.Rule());
    all = {all.first + sums.first, all.second + sums.second};
  }
  return all;
}

}  // namespace

// numbers: ε of positives, that of negatives.
Status IntraPairVarianceLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 4}, cancel);
  if (!sweep.Start()) return sweep.Result();
  Kind own{1, 1 - op.numbers[0], 1 / AtLeastOne(sweep.Count().positive_pairs), 0, 0};
  Kind others{-1, 1 + op.numbers[1], 1 / AtLeastOne(sweep.Count().negative_pairs), 0, 0};
  sweep.Sweep([&](SweptRow& row, const RowTerms& terms) {
    row.sums[0] = Sum(row, row.positives, terms);
    row.sums[1] = Sum(row, row.negatives, terms);
  });
  own.mean = own.share * sweep.Sum(0);
  others.mean = others.share * sweep.Sum(1);
  const auto excesses = [&](SweptRow& row, const RowTerms& terms) {
    const TwoSums near = Excesses(row, row.positives, own, terms), far = Excesses(row, row.negatives, others, terms);
    row.sums[0] = near.first;
    row.sums[1] = near.second;
    row.sums[2] = far.first;
    row.sums[3] = far.second;
  };
  sweep.Sweep(excesses);
  own.excess = own.share * sweep.Sum(0);
  others.excess = others.share * sweep.Sum(2);
  const double loss = own.share * sweep.Sum(1) + others.share * sweep.Sum(3);
  if (op.grad_x != nullptr) {
    sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
      excesses(row, terms);
      const double to_own = 2 * own.share * own.side, to_others = 2 * others.share * others.side;
      Scale(row, row.positives, -to_own, terms, to_own * own.bound * own.excess);
      Scale(row, row.negatives, -to_others, terms, to_others * others.bound * others.excess);
      return true;
    });
  }
  return sweep.Finish(loss, 1);
}

}  // namespace hypersphere
