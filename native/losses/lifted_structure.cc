// Lifted structure, generalised and of pairs. Each row's exponentials take its distances' place and are at once the gradient but for a factor.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

struct Margins {
  double of_negatives, of_positives;
};

// [log Σ_P e^{d − pos} + log Σ_N e^{neg − d}]₊ of each row, the logarithm of an empty sum taken as 0.
Status Generalized(const BatchLossOp& op, const Margins& margins, const std::atomic<bool>* cancel) noexcept {
  RowSweep sweep(op, {Metric::kEuclidean, op.normalize, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const double share = 1 / AtLeastOne(static_cast<double>(op.n));
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
    const LogSum own = ExponentialsOf(row, row.positives, 1, terms), others = ExponentialsOf(row, row.negatives, -1, terms);
    const double pull = row.positives.count > 0 ? LogOf(own) - margins.of_positives : 0;
    const double push = row.negatives.count > 0 ? LogOf(others) + margins.of_negatives : 0;
    row.sums[0] = pull + push <= 0 ? 0 : pull + push;
    if (row.sums[0] == 0) return false;
    Scale(row, row.positives, 1 / own.sum, terms);
    Scale(row, row.negatives, -1 / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share);
}

// ½[log(Σ_{N(i)} e^{neg − d_ik} + Σ_{N(j)} e^{neg − d_jk}) + d_ij − pos]₊² over ordered positive pairs. A pair draws on the negatives of both
// of its rows, and so does its mirror image, by the same amounts: a row doubles what it wants of its own negatives instead of asking others. A
// row of the memory is no anchor: it brings no negatives to its pairs, which have one order.
Status OfPairs(const BatchLossOp& op, const Margins& margins, const std::atomic<bool>* cancel) noexcept {
  constexpr size_t kLoss = 0, kNegatives = 1;
  RowSweep sweep(op, {Metric::kEuclidean, op.normalize, 2}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const double share = 1 / AtLeastOne(sweep.Count().positive_pairs);
  sweep.Sweep([&](SweptRow& row, const RowTerms& terms) {
    row.sums[kLoss] = 0;
    row.sums[kNegatives] = row.negatives.count > 0 ? LogOf(ExponentialsOf(row, row.negatives, -1, terms)) + margins.of_negatives : -scalar::kInfinity;
  });
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
    const double own = row.sums[kNegatives];
    double wanted = 0;
    for (const Span& run : row.positives) {
      for (size_t j = run.first; j < run.last; j++) {
        const bool stored = j >= op.n;
        const double theirs = stored ? -scalar::kInfinity : sweep.SumAt(j, kNegatives);
        const double most = own > theirs ? own : theirs, apart = own > theirs ? theirs - own : own - theirs;
        // Two sums of 0 have no difference.
        const double both = most == -scalar::kInfinity ? most : most + scalar::Log1p(scalar::Exp(apart));
        const double gap = both + static_cast<double>(row.values[j]) - margins.of_positives, excess = gap <= 0 ? 0 : gap;
        row.values[j] = static_cast<float>(excess);
        if (excess == 0) continue;
        row.sums[kLoss] += excess * excess / 2;
        wanted += (stored ? 1 : 2) * excess * Sigmoid(own - theirs);
      }
    }
    if (row.sums[kLoss] == 0) return false;
    const LogSum others = ExponentialsOf(row, row.negatives, -1, terms);
    Scale(row, row.negatives, -wanted / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(kLoss), share);
}

}  // namespace

// numbers: the margin of negatives, that of positives, and whether the form is the generalised one.
Status LiftedStructureLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const Margins margins{op.numbers[0], op.numbers[1]};
  return op.numbers[2] != 0 ? Generalized(op, margins, cancel) : OfPairs(op, margins, cancel);
}

}  // namespace hypersphere
