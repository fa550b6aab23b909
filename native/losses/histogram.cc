// Histogram loss: Σ_r h⁻_r Σ_{q≤r} h⁺_q from soft histograms of all similarities of either kind. One sweep counts, one has the slopes: a pair's
// derivative depends on all others. A pair of the batch is visited once, by the earlier of its rows. Scalar passes, as in fast_ap.cc.
#include <string.h>

#include "../ops/row_sweep.h"
#include "../ops/soft_histogram.h"

namespace hypersphere {
namespace {

enum class Part { kOwn, kOthers, kNone };

// visit(run, part) for all columns in runs. Pairs past the row's own count where they are part of a triplet: a positive pair with a negative to it, a
// negative one with a positive to either of its rows, unless that is of the memory.
template <class Visit>
void EachRun(const BatchRows& rows, const SweptRow& row, const Visit& visit) {
  const size_t n = rows.Input().n, columns = rows.Columns();
  visit(Span{0, row.at + 1}, Part::kNone);
  if (row.HasBoth()) {
    for (size_t t = 1; t < 3; t++) visit(row.positives.runs[t], Part::kOwn);
    for (size_t t = 1; t < 4; t++) visit(row.negatives.runs[t], Part::kOthers);
  } else if (row.positives.count > 0) {
    visit(Span{row.at + 1, columns}, Part::kNone);
  } else {
    for (size_t j = row.at + 1; j < n;) {
      const Span run = rows.OwnRun(j);
      visit(run, run.Count() > 1 || rows.MemoryRun(j).Count() > 0 ? Part::kOthers : Part::kNone);
      j = run.last;
    }
    visit(Span{n, columns}, Part::kNone);
  }
}

// Into the first worker's: whole numbers, so in any order.
void Fold(const SoftHistograms& histograms, size_t workers, size_t nodes) {
  for (size_t worker = 1; worker < workers; worker++) {
    for (size_t l = 0; l < nodes; l++) {
      histograms.Own(0).shares[l] += histograms.Own(worker).shares[l];
      histograms.Others(0).shares[l] += histograms.Others(worker).shares[l];
    }
  }
}

// Σ_r h⁻_r Σ_{q≤r} h⁺_q in pairs, and its slopes by a similarity in each bin.
double Reversed(const SoftHistogram& own, const SoftHistogram& others, const SoftBins& bins) {
  double reached = 0, sum = 0;
  for (size_t r = 0; r < bins.Nodes(); r++) {
    const double positives = SoftBins::Count(own.shares[r]), negatives = SoftBins::Count(others.shares[r]);
    reached += positives;
    sum += negatives * reached;
    own.slopes[r] = -negatives / bins.Width();
    if (r > 0) others.slopes[r - 1] = positives / bins.Width();
  }
  return sum;
}

}  // namespace

// numbers: the bins.
Status HistogramLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const SoftBins bins(-1, 1, op.numbers[0]);
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 2}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const size_t workers = sweep.Workers();
  SoftHistograms histograms(workers, bins.Nodes());
  if (!histograms.Allocate()) return Status::kOutOfMemory;
  for (size_t worker = 0; worker < workers; worker++) histograms.Clear(worker);
  sweep.Sweep([&](SweptRow& row, const RowTerms&) {
    double pairs[] = {0, 0, 0};
    EachRun(sweep.Rows(), row, [&](const Span& run, Part part) {
      pairs[static_cast<size_t>(part)] += static_cast<double>(run.Count());
      if (part == Part::kOwn) bins.Add(row.Run(run), run.Count(), histograms.Own(row.worker).shares);
      if (part == Part::kOthers) bins.Add(row.Run(run), run.Count(), histograms.Others(row.worker).shares);
    });
    row.sums[0] = pairs[0];
    row.sums[1] = pairs[1];
  });
  if (sweep.Failed()) return sweep.Result();
  Fold(histograms, workers, bins.Nodes());
  const double share = 1 / AtLeastOne(sweep.Sum(0) * sweep.Sum(1));
  const SoftHistogram own = histograms.Own(0), others = histograms.Others(0);
  const double loss = share * Reversed(own, others, bins);
  if (op.grad_x != nullptr) {
    sweep.SweepToGradient([&](SweptRow& row, const RowTerms&) {
      EachRun(sweep.Rows(), row, [&](const Span& run, Part part) {
        if (part == Part::kNone) {
          memset(row.Run(run), 0, run.Count() * sizeof(float));
        } else {
          bins.Slopes(row.Run(run), run.Count(), part == Part::kOwn ? own.slopes : others.slopes);
        }
      });
      return true;
    });
  }
  return sweep.Finish(loss, share);
}

}  // namespace hypersphere
