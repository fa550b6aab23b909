// FastAP: 1 − (1/P) Σ_l h⁺_l H⁺_l / H_l of each row that has a positive, from soft histograms of its squared distances. A value's bin is looked up,
// so its passes are scalar; the histograms of a row lie in the first level of cache.
#include "../ops/row_sweep.h"
#include "../ops/soft_histogram.h"

namespace hypersphere {
namespace {

// (1/P) Σ_l h⁺_l H⁻_l / H_l, which is the same and cancels nothing, H being cumulative; and its slopes by a value in each bin.
double Imprecision(const SoftHistogram& own, const SoftHistogram& others, const SoftBins& bins, double positives) {
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

}  // namespace

// numbers: the bins. Squared distances of unit rows lie in [0, 4].
Status FastApLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const SoftBins bins(0, 4, op.numbers[0]);
  RowSweep sweep(op, {Metric::kSquaredEuclidean, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  SoftHistograms histograms(sweep.Workers(), bins.Nodes());
  if (!histograms.Allocate()) return Status::kOutOfMemory;
  const double share = 1 / AtLeastOne(sweep.Count().with_positives);
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms&) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    histograms.Clear(row.worker);
    const SoftHistogram own = histograms.Own(row.worker), others = histograms.Others(row.worker);
    for (const Span& run : row.positives) bins.Add(row.Run(run), run.Count(), own.shares);
    for (const Span& run : row.negatives) bins.Add(row.Run(run), run.Count(), others.shares);
    row.sums[0] = Imprecision(own, others, bins, static_cast<double>(row.positives.count));
    if (op.grad_x == nullptr) return false;
    for (const Span& run : row.positives) bins.Slopes(row.Run(run), run.Count(), own.slopes);
    for (const Span& run : row.negatives) bins.Slopes(row.Run(run), run.Count(), others.slopes);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share);
}

}  // namespace hypersphere
