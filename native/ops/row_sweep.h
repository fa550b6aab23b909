// Sweeps over the rows of a batch, as lib/reference/row-sweep.ts has them: a loss sees one row's values at a time, in parallel, and turns
// them in place into ∂loss/∂value. The columns come by class, so a row's positives and its negatives are a few runs of them, whatever the
// labels are, and the level's passes (kernels/row_terms.h) need no mask. Sums of rows are folded in the caller's order, in float64.
// A loss that needs two sweeps computes the distances twice: a block of anchors against all columns is the most that exists.
//
// A loss is a rule for one row and what goes on around the sweeps, in a header of its own that the device takes, too (cuda/ops/row_sweep.h).
#pragma once

#include <string.h>

#include "../cpu.h"
#include "batch_rows.h"
#include "blocks.h"
#include "ops.h"
#include "soft_histogram.h"
#include "swept_row.h"

namespace hypersphere {

// The runs of a column's class, for a rule that needs those of other rows.
struct BatchRuns {
  const BatchRows* rows;
  Span Own(size_t at) const { return rows->OwnRun(at); }
  Span Stored(size_t at) const { return rows->MemoryRun(at); }
};

class RowSweep {
 public:
  RowSweep(const BatchLossOp& op, const SweepForm& form, const std::atomic<bool>* cancel);

  bool Start();
  bool Failed() const { return status_ != Status::kOk; }
  Status Result() const { return status_; }

  const RowTerms& Terms() const { return terms_; }
  const BatchRows& Rows() const { return rows_; }
  size_t Workers() const { return static_cast<size_t>(threads_); }
  const PairCounts& Count() const { return counts_; }
  // For a rule to read: where it runs.
  template <class T>
  const T* Lend(const T* values, size_t) const {
    return values;
  }
  const float* Compared() const { return rows_.Rows(); }
  BatchRuns Runs() const { return {&rows_}; }
  // Empty at first.
  SoftHistograms Histograms() const { return {space_.At<uint64_t>(shares_place_), space_.At<double>(slopes_place_), form_.nodes}; }
  // Those of all workers together, as the first one's.
  SoftHistograms FoldHistograms();
  PeerSums Peers() const { return {space_.At<double>(sums_place_), rows_.Classes().rows, form_.sums}; }

  // visit(row, terms) for each row.
  template <class Visit>
  void Sweep(const Visit& visit) {
    EachBlock([&](SweptRow& row, float*) { visit(row, terms_); }, false);
  }
  // The same where visit(row, terms) says whether it has left coefficients in place of the values; they are added up where a gradient is wanted.
  template <class Visit>
  void SweepToGradient(const Visit& visit) {
    const auto weigh = [&](SweptRow& row, float* distances) {
      if (distances != nullptr) memcpy(distances, row.values, rows_.Columns() * sizeof(float));
      const bool any = visit(row, terms_);
      if (op_.grad_x == nullptr) return;
      const size_t at = row.at - first_;
      gradient_.Clear(at);
      row.values[row.at] = row.own;
      if (any) {
        gradient_.Weigh(first_, at, distances, row.values);
      } else {
        memset(row.values, 0, rows_.Columns() * sizeof(float));
      }
    };
    EachBlock(weigh, op_.grad_x != nullptr);
  }

  // Of all rows, in their order.
  double Sum(size_t which) const;
  // Of the row at a column of the batch: from a sweep before, for that of another row.
  double SumAt(size_t at, size_t which) const { return SumOf(rows_.Given(at), which); }
  double SumOf(size_t row, size_t which) const { return space_.At<double>(sums_place_)[row * form_.sums + which]; }
  // Whether a value between two rows was NaN: then all results are.
  bool Undefined() const { return undefined_; }
  // Writes loss, losses of rows (their first sums) and scale times the gradient.
  Status Finish(double loss, double scale);

 private:
  static constexpr size_t kAnchorsOfTask = 4;

  SweptRow RowAt(size_t at, float* values, size_t worker) const;

  template <class Each>
  void EachBlock(const Each& each, bool gather) {
    const size_t n = op_.n, columns = rows_.Columns();
    float* const block = space_.At<float>(block_place_);
    for (first_ = 0; !Failed() && first_ < n; first_ += most_) {
      const size_t count = Least(most_, n - first_);
      status_ = rows_.Block(first_, count, block, cancel_);
      if (Failed()) return;
      bool* const nan = space_.At<bool>(nan_place_);
      const auto anchors = [&](size_t index, int worker) {
        float* const distances = copied_ ? space_.At<float>(copy_place_) + static_cast<size_t>(worker) * columns : nullptr;
        for (size_t at = index * kAnchorsOfTask; at < Least((index + 1) * kAnchorsOfTask, count); at++) {
          SweptRow row = RowAt(first_ + at, block + at * columns, static_cast<size_t>(worker));
          nan[at] = terms_.extent(row.values, columns).nan;
          each(row, distances);
        }
      };
      status_ = ParallelFor(DivideUp(count, kAnchorsOfTask), anchors, cancel_, threads_);
      if (Failed()) return;
      for (size_t at = 0; at < count; at++) undefined_ = undefined_ || nan[at];
      if (gather && !undefined_) status_ = gradient_.Add(first_, count, block, cancel_);
    }
  }

  const BatchLossOp& op_;
  const SweepForm form_;
  const std::atomic<bool>* const cancel_;
  const RowTerms& terms_;
  const int threads_;
  const size_t most_;  // anchors of a block
  Workspace space_;
  BatchRows rows_;
  const bool copied_;  // the distances, which weights are made with
  PairGradient gradient_;
  size_t block_place_, copy_place_, scratch_place_, sums_place_, nan_place_, shares_place_, slopes_place_;
  PairCounts counts_{};
  size_t first_ = 0;
  bool undefined_ = false;
  Status status_ = Status::kOk;
};

PairCounts CountPairs(const BatchRows& rows);
// Writes loss and losses of rows, their first sums [n, stride], or NaN for all results of what is undefined.
void WriteLoss(const BatchLossOp& op, double loss, bool undefined, const double* sums, size_t stride);

// A loss of native/losses on the CPU.
template <class Loss>
Status SweptLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) {
  RowSweep sweep(op, Loss::FormOf(op), cancel);
  return sweep.Start() ? Loss::Run(op, sweep) : sweep.Result();
}

// One function a loss, dispatched by BatchLoss (ops.h).
Status SupConLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status NtXentLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status CircleLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status MultiSimilarityLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status BatchContrastiveLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status NcaLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status LiftedStructureLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status IntraPairVarianceLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status PnpLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status TupletMarginLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status TcmLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status RankedListLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status FastApLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status MarginLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status HistogramLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;

}  // namespace hypersphere
