// FastAP: 1 − (1/P) Σ_l h⁺_l H⁺_l / H_l of each row that has a positive, from soft histograms of its squared distances. A value's bin is looked up,
// so its passes are scalar; the histograms of a row lie in the first level of cache.
#pragma once

#include "../ops/soft_histogram.h"
#include "../ops/swept_row.h"

namespace hypersphere {

struct FastApRule {
  static constexpr size_t kSums = 1;
  SoftBins bins;
  SoftHistograms histograms;
  bool wanted;  // the gradient

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const SoftHistogram own = histograms.Own(row.worker), others = histograms.Others(row.worker);
    terms.clear(own.shares, bins.Nodes());
    terms.clear(others.shares, bins.Nodes());
    for (const Span& run : row.positives) bins.Add(row.Run(run), run.Count(), own.shares, terms);
    for (const Span& run : row.negatives) bins.Add(row.Run(run), run.Count(), others.shares, terms);
    row.sums[0] = terms.once([&] { return Imprecision(own, others, static_cast<double>(row.positives.count)); });
    if (!wanted) return false;
    for (const Span& run : row.positives) bins.Slopes(row.Run(run), run.Count(), own.slopes, terms);
    for (const Span& run : row.negatives) bins.Slopes(row.Run(run), run.Count(), others.slopes, terms);
    return true;
  }

 private:
  // (1/P) Σ_l h⁺_l H⁻_l / H_l, which is the same and cancels nothing, H being cumulative; and its slopes by a value in each bin.
  HYPERSPHERE_HOST_DEVICE double Imprecision(const SoftHistogram& own, const SoftHistogram& others, double positives) const {
    double reached_own = 0, reached_others = 0, missed = 0;
    for (size_t l = 0; l < bins.Nodes(); l++) {
      const double h = SoftBins::Count(own.shares[l]);
      reached_own += h;
      reached_others += SoftBins::Count(others.shares[l]);
      const double all = reached_own + reached_others;
      // The share of negatives up to this node, and a positive's weight at it; a node before all values has neither.
      own.slopes[l] = all > 0 ? reached_others / all : 0;
      others.slopes[l] = all > 0 ? h / all / positives : 0;
      missed += h * own.slopes[l] / positives;
    }
    double through_own = 0, through_others = 0, own_above = 0, others_above = 0;
    for (size_t l = bins.Nodes(); l-- > 0;) {
      const double wrong = own.slopes[l], weight = others.slopes[l];
      through_own += weight * wrong;
      through_others += weight * (1 - wrong);
      const double at_node = wrong / positives - through_own;
      own.slopes[l] = (own_above - at_node) / bins.Width();
      others.slopes[l] = (others_above - through_others) / bins.Width();
      own_above = at_node;
      others_above = through_others;
    }
    return missed;
  }
};

// numbers: the bins. Squared distances of unit rows lie in [0, 4].
struct FastAp {
  static SoftBins BinsOf(const BatchLossOp& op) { return {0, 4, op.numbers[0]}; }
  static SweepForm FormOf(const BatchLossOp& op) { return {Metric::kSquaredEuclidean, true, FastApRule::kSums, 0, BinsOf(op).Nodes()}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const double share = 1 / AtLeastOne(sweep.Count().with_positives);
    sweep.SweepToGradient(FastApRule{BinsOf(op), sweep.Histograms(), op.grad_x != nullptr});
    return sweep.Finish(share * sweep.Sum(0), share);
  }
};

}  // namespace hypersphere
