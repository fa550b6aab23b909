// Histogram loss: Σ_r h⁻_r Σ_{q≤r} h⁺_q from soft histograms of all similarities of either kind. One sweep counts, one has the slopes: a pair's
// derivative depends on all others. A pair of the batch is visited once, by the earlier of its rows. Scalar passes, as in fast_ap.h.
#pragma once

#include "../ops/soft_histogram.h"
#include "../ops/swept_row.h"

namespace hypersphere {

template <class Runs>
struct HistogramRule {
  static constexpr size_t kSums = 2;
  SoftBins bins;
  SoftHistograms histograms;
  Runs runs;
  size_t n, columns;
  bool counts;  // and leaves no coefficients
  const double *to_own, *to_others;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    if (counts) row.sums[0] = row.sums[1] = 0;
    const SoftHistogram own = histograms.Own(row.worker), others = histograms.Others(row.worker);
    EachRun(row, [&](const Span& run, Part part) {
      if (part == Part::kNone) {
        if (!counts) terms.clear(row.Run(run), run.Count());
        return;
      }
      const bool positive = part == Part::kOwn;
      if (!counts) return bins.Slopes(row.Run(run), run.Count(), positive ? to_own : to_others, terms);
      bins.Add(row.Run(run), run.Count(), (positive ? own : others).shares, terms);
      row.sums[positive ? 0 : 1] += static_cast<double>(run.Count());
    });
    return !counts;
  }

 private:
  enum class Part { kOwn, kOthers, kNone };

  // visit(run, part) for all columns in runs. Pairs past the row's own count where they are part of a triplet: a positive pair with a negative to it, a
  // negative one with a positive to either of its rows, unless that is of the memory.
  template <class Visit>
  HYPERSPHERE_HOST_DEVICE void EachRun(const SweptRow& row, const Visit& visit) const {
    visit(Span{0, row.at + 1}, Part::kNone);
    if (row.HasBoth()) {
      for (size_t t = 1; t < 3; t++) visit(row.positives.runs[t], Part::kOwn);
      for (size_t t = 1; t < 4; t++) visit(row.negatives.runs[t], Part::kOthers);
    } else if (row.positives.count > 0) {
      visit(Span{row.at + 1, columns}, Part::kNone);
    } else {
      for (size_t j = row.at + 1; j < n;) {
        const Span run = runs.Own(j);
        visit(run, run.Count() > 1 || runs.Stored(j).Count() > 0 ? Part::kOthers : Part::kNone);
        j = run.last;
      }
      visit(Span{n, columns}, Part::kNone);
    }
  }
};

// numbers: the bins.
struct Histogram {
  static SoftBins BinsOf(const BatchLossOp& op) { return {-1, 1, op.numbers[0]}; }
  static SweepForm FormOf(const BatchLossOp& op) { return {Metric::kCosineSimilarity, true, 2, 0, BinsOf(op).Nodes()}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const SoftBins bins = BinsOf(op);
    using Rule = HistogramRule<decltype(sweep.Runs())>;
    sweep.Sweep(Rule{bins, sweep.Histograms(), sweep.Runs(), op.n, sweep.Rows().Columns(), true, nullptr, nullptr});
    const SoftHistograms all = sweep.FoldHistograms();
    const double share = 1 / AtLeastOne(sweep.Sum(0) * sweep.Sum(1));
    const double loss = share * Reversed(all.Own(0), all.Others(0), bins);
    if (op.grad_x != nullptr) {
      const double* const slopes = sweep.Lend(static_cast<const double*>(all.slopes), 2 * bins.Nodes());
      sweep.SweepToGradient(Rule{bins, sweep.Histograms(), sweep.Runs(), op.n, sweep.Rows().Columns(), false, slopes, slopes + bins.Nodes()});
    }
    return sweep.Finish(loss, share);
  }

 private:
  // Σ_r h⁻_r Σ_{q≤r} h⁺_q in pairs, and its slopes by a similarity in each bin.
  static double Reversed(const SoftHistogram& own, const SoftHistogram& others, const SoftBins& bins) {
    double reached = 0, sum = 0;
    for (size_t r = 0; r < bins.Nodes(); r++) {
      const double positives = SoftBins::Count(own.shares[r]), negatives = SoftBins::Count(others.shares[r]);
      reached += positives;
      sum += negatives * reached;
      own.slopes[r] = -negatives / bins.Width();
      if (r > 0) others.slopes[r - 1] = positives / bins.Width();
    }
    others.slopes[bins.Nodes() - 1] = 0;  // of no bin
    return sum;
  }
};

}  // namespace hypersphere
