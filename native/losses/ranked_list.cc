// Ranked list loss: weighted means of the violations g = ±(d − bound) > 0 on either side of a row's boundary, by weights e^{T·g}. One pass finds the
// greatest violation, one sums weights against it, and one, which makes the weights again, writes the slopes through them.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

// Keeps the divisor of a side from 0, once for every row that the anchor is compared with, itself included.
constexpr double kGuard = 1e-5;

struct ListSide {
  double weight, bound;
  float temperature, side;
};

// The side's weighed mean; its derivatives take the values' place.
double Violations(const SweptRow& row, const Side& side, const ListSide& list, double guard, const RowTerms& terms) {
  const RowExtent extent = Extent(row, side, terms);
  const float reference = list.side > 0 ? extent.most : extent.least;
  const double most = static_cast<double>(list.side) * (static_cast<double>(reference) - list.bound);
  if (!(most > 0)) {
    Scale(row, side, 0, terms);
    return 0;
  }
  const RowViolation rule{list.temperature, list.side, static_cast<float>(list.bound), reference};
  TwoSums all{};
  for (const Span& run : side) {
    const TwoSums sums = terms.violations(row.Run(run), run.Count(), rule);
    all = {all.first + sums.first, all.second + sums.second};
  }
  const double guarded = guard * scalar::Exp(-static_cast<double>(list.temperature) * most), weights = guarded + all.first;
  // The mean less the greatest, as the kernels have violations.
  const double mean = (all.second - guarded * most) / weights, factor = list.weight * static_cast<double>(list.side) / weights;
  for (const Span& run : side) {
    terms.violation_slopes(row.Run(run), run.Count(), rule, static_cast<float>(mean), static_cast<float>(factor));
  }
  return list.weight * (most + mean);
}

}  // namespace

// numbers: the margin, α, the negatives' weight, the temperatures of positives and of negatives.
Status RankedListLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const double margin = op.numbers[0], alpha = op.numbers[1], imbalance = op.numbers[2];
  const ListSide own{1 - imbalance, alpha - margin, static_cast<float>(op.numbers[3]), 1};
  const ListSide others{imbalance, alpha, static_cast<float>(op.numbers[4]), -1};
  RowSweep sweep(op, {Metric::kEuclidean, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const double share = 1 / AtLeastOne(static_cast<double>(op.n)), guard = kGuard * static_cast<double>(sweep.Rows().Columns());
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
    row.sums[0] = Violations(row, row.positives, own, guard, terms) + Violations(row, row.negatives, others, guard, terms);
    return row.sums[0] != 0;
  });
  return sweep.Finish(share * sweep.Sum(0), share);
}

}  // namespace hypersphere
