// What the losses on pairs of a batch share: its rows, normalised where that is asked for, their classes, blocks of their distances,
// and the gradient of a block's weights. Nothing here is batch by batch: a block is so many anchors against all rows.
#pragma once

#include <atomic>

#include "../api.h"
#include "class_rows.h"
#include "workspace.h"

namespace hypersphere {

// Anchors of a block, by shape alone: 8 MiB of distances, or more for enough anchors that packing the other side again for each block does not show.
// A small batch is one block, whose distances are computed on one side of the diagonal.
constexpr size_t kBlockDistances = size_t{2} << 20, kFewestAnchors = 32, kMostAnchors = 256, kSmallBatch = 512;
constexpr size_t AnchorsOfBlock(size_t n, size_t columns) {
  const size_t most = kBlockDistances / (columns > 0 ? columns : 1);
  const size_t anchors = n <= kSmallBatch && n <= most ? n : most > kMostAnchors ? kMostAnchors : most > kFewestAnchors ? most : kFewestAnchors;
  return anchors < n ? anchors : n;
}
constexpr size_t AnchorsOfBlock(size_t n) { return AnchorsOfBlock(n, n); }

struct PairInput {
  const float* x;
  const int32_t* labels;
  size_t n, d;
  Metric metric;  // euclidean, squaredEuclidean or cosineSimilarity
  bool normalize;
  // The rows in the order of their labels, stable, so that a class is one run of them; only then there may be a memory, whose m rows
  // follow those of the batch as further columns, ordered likewise.
  bool by_class = false;
  const float* memory = nullptr;
  const int32_t* memory_labels = nullptr;
  size_t m = 0;
};

struct Span {
  size_t first, last;
  size_t Count() const { return last - first; }
};

constexpr size_t kMostRuns = 4;

// Runs of columns; some may be empty.
struct Side {
  Span runs[kMostRuns] = {};
  size_t count = 0;  // of columns
  const Span* begin() const { return runs; }
  const Span* end() const { return runs + kMostRuns; }
};

// The columns of a row's class, itself left out, and those of the others.
struct Sides {
  Side positives, negatives;
};

class BatchRows {
 public:
  BatchRows(Workspace& space, const PairInput& input);
  // After the workspace's allocation.
  Status Prepare(const std::atomic<bool>* cancel);
  // Distances [count, columns] of some anchors to all rows, 0 to themselves. For cosines these are dots of unit rows, not yet negated.
  Status Block(size_t first, size_t count, float* out, const std::atomic<bool>* cancel) const;
  // The same of any rows that are as these are, normalised where these are.
  Status Compare(const float* rows, size_t count, float* out, const std::atomic<bool>* cancel) const;

  const float* Rows() const { return rows_; }
  double SquareOf(size_t row) const;  // of its length
  bool Normalized() const { return input_.normalize || Cosine(); }
  bool Cosine() const { return input_.metric == Metric::kCosineSimilarity; }
  const PairInput& Input() const { return input_; }
  size_t Columns() const { return input_.n + input_.m; }
  // By class: the caller's number of a row, the run of its class, itself in it, and that among the columns of the memory.
  size_t Given(size_t row) const { return input_.by_class ? classes_.rows[row] : row; }
  Span OwnRun(size_t row) const { return {classes_.starts[class_of_[row]], classes_.starts[class_of_[row] + 1]}; }
  Span MemoryRun(size_t row) const { return memory_runs_[class_of_[row]]; }
  Sides SidesOf(size_t row) const;
  // In the caller's order: the rows of this row's class, itself among them, ascending.
  const size_t* Own(size_t row) const { return classes_.rows + classes_.starts[class_of_[row]]; }
  size_t OwnCount(size_t row) const { return classes_.starts[class_of_[row] + 1] - classes_.starts[class_of_[row]]; }

 private:
  void FindMemoryRuns(const int32_t* labels, const ClassRows& memory);
  Status Gather(const size_t* memory, float* to, const std::atomic<bool>* cancel) const;

  Workspace& space_;
  const PairInput input_;
  Buckets buckets_, memory_buckets_;
  size_t labels_place_, class_place_, rows_place_, runs_place_;
  const float* rows_ = nullptr;
  size_t* class_of_ = nullptr;
  Span* memory_runs_ = nullptr;
  ClassRows classes_{};
};

// Gathers Σ w_aj·∂½‖x_a − x_j‖² (or of −x_a·x_j) over blocks of weights. Most pairs go through two products a block,
// Σ_j w_aj·x_j and its transpose, on rows without their mean: translation changes nothing, and offset data keep their digits. Pairs that
// are marked go from differences, in order, in blocks of columns: few pairs need no product, and near ones would cancel in it.
class PairGradient {
 public:
  PairGradient(Workspace& space, const BatchRows& rows, bool dense, bool wanted);
  Status Prepare(const std::atomic<bool>* cancel);

  // Anchor `at` of the block, which its task owns: makes weights of coefficients, in their place. `distances` is not read for cosines. Clear
  // comes first.
  void Weigh(size_t first, size_t at, const float* distances, float* weights);
  // The same where only these few rows have a coefficient.
  void Mark(size_t at, size_t row, double coefficient, float* distances);
  void Clear(size_t at);
  Status Add(size_t first, size_t count, float* weights, const std::atomic<bool>* cancel);
  // The part of the batch in weights [count, columns] of similarities between it and other rows, which are constants.
  Status AddOthers(const float* others, size_t count, const float* weights, const std::atomic<bool>* cancel);
  // out = scale·∂, through the normalisation.
  Status Write(double scale, float* out, const std::atomic<bool>* cancel);

 private:
  float Weight(double coefficient, float distance) const;
  void AddMarked(size_t first, size_t count, const float* weights, size_t col);
  size_t Words() const;

  Workspace& space_;
  const BatchRows& rows_;
  const bool dense_, wanted_;
  size_t sums_place_, centered_place_, norms_place_, row_place_, col_place_, marks_place_, marked_place_, full_place_;
  const float* centered_ = nullptr;
  float *sums_ = nullptr, *norms_ = nullptr;
  double *row_sums_ = nullptr, *col_sums_ = nullptr;
  uint64_t* marks_ = nullptr;
  uint8_t *marked_ = nullptr, *full_ = nullptr;  // of the block's anchors: any mark, any other weight
};

}  // namespace hypersphere
