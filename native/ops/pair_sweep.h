// Sweeps over the pairs of rows of one class, for losses that compare both rows of a pair with all columns: a term's part for one of its rows
// is that row's alone to add up, so each pair is visited from both sides and nothing is scattered. The columns come by class: the block
// of anchors mostly holds its own partners. Those that lie outside of it, in a class larger than a block or cut by its end and in the memory,
// are gathered and compared with all columns once more: three blocks of rows against all columns are the most that exists.
#pragma once

#include "paired_row.h"
#include "row_sweep.h"

namespace hypersphere {

class PairSweep {
 public:
  // Input by class; `sums` a row.
  PairSweep(const PairInput& input, size_t sums, float* grad_x, const std::atomic<bool>* cancel);

  Status Start();
  // visit(pair) for each ordered pair, those of a row one after the other in a fixed order.
  template <class Visit>
  Status Sweep(const Visit& visit) {
    return Run({[](const void* context, const PairedRow& pair) { (*static_cast<const Visit*>(context))(pair); }, &visit});
  }

  const RowTerms& Terms() const { return terms_; }
  const BatchRows& Rows() const { return rows_; }
  double PositivePairs() const { return positive_pairs_; }
  // Of all rows, in the caller's order.
  double Sum(size_t which) const;
  // Whether a value between a row of the batch and a column was NaN.
  bool Undefined() const { return undefined_; }
  // scale times the gradient, or NaN where the loss is undefined.
  Status Finish(bool undefined, double scale);

 private:
  struct Visitor {
    void (*visit)(const void* context, const PairedRow& pair);
    const void* context;
  };
  // The rows of a block: those listed, or those of the batch from `first` on.
  struct Block {
    const size_t* columns;  // or null
    size_t first, count;
    float* values;  // [count, columns]
    size_t At(size_t i) const { return columns != nullptr ? columns[i] : first + i; }
  };

  Status Run(const Visitor& visitor);
  Status OfBatch(size_t first, size_t count, const Visitor& visitor);
  Status OfStored(size_t first, size_t count, const Visitor& visitor);
  // With the partners in these spans: of the batch, and from n on of the stored rows.
  Status WithOthers(const Block& anchors, const Span* spans, size_t count, const Visitor& visitor);
  Status Pairs(const Block& anchors, const Block& partners, const Visitor& visitor);
  Status Compare(const Block& block, float* gathered);

  const PairInput input_;
  const size_t sums_;
  float* const grad_x_;
  const std::atomic<bool>* const cancel_;
  const RowTerms& terms_;
  const int most_threads_;
  const size_t most_;  // rows of a block
  Workspace space_;
  BatchRows rows_;
  PairGradient gradient_;
  size_t block_place_, derivatives_place_, others_place_, anchors_place_, partners_place_, listed_place_, stored_place_, members_place_, before_place_,
      scratch_place_, sums_place_, nan_place_;
  size_t stored_count_ = 0;  // rows of the memory whose class is in the batch
  double positive_pairs_ = 0;
  int threads_ = 1;
  bool undefined_ = false;
};

// One function a loss, dispatched by BatchLoss (ops.h).
Status AngularLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;

}  // namespace hypersphere
