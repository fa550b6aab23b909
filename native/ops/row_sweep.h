// Sweeps over the rows of a batch, as lib/reference/row-sweep.ts has them: a loss sees one row's values at a time, in parallel, and turns
// them in place into ∂loss/∂value. The columns come by class, so a row's positives and its negatives are a few runs of them, whatever the
// labels are, and the level's passes (kernels/row_terms.h) need no mask. Sums of rows are folded in the caller's order, in float64.
// A loss that needs two sweeps computes the distances twice: a block of anchors against all columns is the most that exists.
#pragma once

#include <string.h>

#include "../cpu.h"
#include "batch_rows.h"
#include "blocks.h"
#include "ops.h"

namespace hypersphere {

struct SweptRow {
  size_t at, row;  // its column; the caller's number
  float* values;   // [columns]: to every column, 0 to its own
  Side positives, negatives;
  double* sums;    // of this row, to be set: [sums]
  float* scratch;  // of the worker: [scratch, columns]
  size_t worker;   // that has it: in [0, Workers())
  float own = 0;   // ∂loss/∂ of the value to itself, to be set where that is not constant
  bool HasBoth() const { return positives.count > 0 && negatives.count > 0; }
  float* Run(const Span& run) const { return values + run.first; }
};

class RowSweep {
 public:
  struct Form {
    Metric metric;
    bool normalize;
    size_t sums;         // a row; the first one is its loss
    size_t scratch = 0;  // rows of a worker
  };
  RowSweep(const BatchLossOp& op, const Form& form, const std::atomic<bool>* cancel);

  bool Start();
  bool Failed() const { return status_ != Status::kOk; }
  Status Result() const { return status_; }

  const RowTerms& Terms() const { return terms_; }
  const BatchRows& Rows() const { return rows_; }
  size_t Workers() const { return static_cast<size_t>(threads_); }
  // Of the batch, known before any sweep: pairs of either kind in order, the rows that have positives, and those that have both.
  struct Counts {
    double positive_pairs, negative_pairs, with_positives, with_both;
  };
  const Counts& Count() const { return counts_; }

  // visit(row) for each row.
  template <class Visit>
  void Sweep(const Visit& visit) {
    EachBlock([&](SweptRow& row, float*) { visit(row); }, false);
  }
  // The same where visit(row) says whether it has left coefficients in place of the values; they are added up where a gradient is wanted.
  template <class Visit>
  void SweepToGradient(const Visit& visit) {
    const auto weigh = [&](SweptRow& row, float* distances) {
      if (distances != nullptr) memcpy(distances, row.values, rows_.Columns() * sizeof(float));
      const bool any = visit(row);
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
  const Form form_;
  const std::atomic<bool>* const cancel_;
  const RowTerms& terms_;
  const int threads_;
  const size_t most_;  // anchors of a block
  Workspace space_;
  BatchRows rows_;
  const bool copied_;  // the distances, which weights are made with
  PairGradient gradient_;
  size_t block_place_, copy_place_, scratch_place_, sums_place_, nan_place_;
  Counts counts_{};
  size_t first_ = 0;
  bool undefined_ = false;
  Status status_ = Status::kOk;
};

// Σ e^z = sum·e^most, so that ratios stay exact.
struct LogSum {
  double most, sum;
};

// Σ e^{slope·(v − reference)} over a side, whose values become its terms. With bounds as RowExponential has them.
double Exponentials(const SweptRow& row, const Side& side, float slope, float reference, const RowTerms& terms, float low = __builtin_nanf(""),
                    float high = __builtin_nanf(""));
// The same against the greatest exponent. Over nothing: −∞ and 0.
LogSum ExponentialsOf(const SweptRow& row, const Side& side, float slope, const RowTerms& terms, float low = __builtin_nanf(""),
                     float high = __builtin_nanf(""));
RowExtent Extent(const SweptRow& row, const Side& side, const RowTerms& terms);
void Scale(const SweptRow& row, const Side& side, double factor, const RowTerms& terms, double addend = 0);
TwoSums Hinge(const SweptRow& row, const Side& side, const RowHinge& rule, const RowTerms& terms);
// The same of a bound in float64: what its rounding adds to every term alike, and so to their mean, is taken off the sum.
TwoSums Hinge(const SweptRow& row, const Side& side, float sign, double bound, bool of_cosines, const RowTerms& terms);

double LogOf(const LogSum& of);
double Softplus(double u);
double Sigmoid(double u);
// As float32, finite and not 0: infinity times 0 has no value.
float Slope(double slope);
// The least float32 that is no less than a number, and the greatest that is no more: to compare float32 values with it as float64 does.
float RoundedUp(double value);
float RoundedDown(double value);

inline double AtLeastOne(double count) { return count > 1 ? count : 1; }
inline float Greater(float a, float b) { return a > b ? a : b; }

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
