// Ranked list loss: weighted means of the violations g = ±(d − bound) > 0 on either side of a row's boundary, by weights e^{T·g}. One pass finds the
// greatest violation, one sums weights against it, and one, which makes the weights again, writes the slopes through them.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct ListSide {
  double weight, bound;
  float temperature, side;
};

struct RankedListRule {
  static constexpr size_t kSums = 1;
  ListSide own, others;
  double guard;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = Violations(row, row.positives, own, terms) + Violations(row, row.negatives, others, terms);
    return row.sums[0] != 0;
  }

 private:
  // The side's weighed mean; its derivatives take the values' place.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE double Violations(const SweptRow& row, const Side& side, const ListSide& list, const Terms& terms) const {
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
};

// numbers: the margin, α, the negatives' weight, the temperatures of positives and of negatives.
struct RankedList {
  // Keeps the divisor of a side from 0, once for every row that the anchor is compared with, itself included.
  static constexpr double kGuard = 1e-5;
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kEuclidean, true, RankedListRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const double margin = op.numbers[0], alpha = op.numbers[1], imbalance = op.numbers[2];
    const double share = 1 / AtLeastOne(static_cast<double>(op.n));
    sweep.SweepToGradient(RankedListRule{{1 - imbalance, alpha - margin, static_cast<float>(op.numbers[3]), 1},
                                         {imbalance, alpha, static_cast<float>(op.numbers[4]), -1},
                                         kGuard * static_cast<double>(sweep.Rows().Columns())});
    return sweep.Finish(share * sweep.Sum(0), share);
  }
};

}  // namespace hypersphere
