// What the losses on pairs of a batch share: its rows, normalised where that is asked for, their classes, blocks of their distances,
// and the gradient of a block's weights. Nothing here is batch by batch: a block is so many anchors against all rows.
#pragma once

#include <atomic>

#include "../api.h"
#include "class_rows.h"
#include "sides.h"
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
  Metric metric;  // euclidean, squaredEuclidean, cosineSimilarity or snr
  bool normalize;
  // The rows in the order of their labels, stable, so that a class is one run of them.
  bool by_class = false;
  // Rows of a memory follow those of the batch as further columns, by class where those are.
  const float* memory = nullptr;
  const int32_t* memory_labels = nullptr;
  size_t m = 0;
};

class BatchRows {
 public:
  BatchRows(Workspace& space, const PairInput& input);
  // After the workspace's allocation, one of them: the classes, and the rows in their order; and these as they are compared.
  Status Order(const std::atomic<bool>* cancel);
  Status Prepare(const std::atomic<bool>* cancel);
  // Distances [count, columns] of some anchors to all rows, 0 to themselves. For cosines these are dots of unit rows, not yet negated.
  Status Block(size_t first, size_t count, float* out, const std::atomic<bool>* cancel) const;
  // The same of any rows that are as these are, normalised where these are.
  Status Compare(const float* rows, size_t count, float* out, const std::atomic<bool>* cancel) const;

  const float* Rows() const { return rows_; }
  // Rows as they are given of which one holds an infinity, where there are pairs: a loss over them is NaN, as it is where a length divides them.
  bool AnyInfinite() const;
  bool Normalized() const { return input_.normalize || Cosine(); }
  bool Gathered() const { return input_.by_class || input_.m > 0; }
  bool Cosine() const { return input_.metric == Metric::kCosineSimilarity; }
  bool Snr() const { return input_.metric == Metric::kSnr; }
  const PairInput& Input() const { return input_; }
  size_t Columns() const { return input_.n + input_.m; }
  // By class: the caller's number of a column, the run of its class, itself in it, and that among the columns of the memory.
  size_t Given(size_t column) const {
    if (!input_.by_class) return column;
    return column < input_.n ? classes_.rows[column] : input_.n + memory_.rows[column - input_.n];
  }
  Span OwnRun(size_t row) const { return {classes_.starts[class_of_[row]], classes_.starts[class_of_[row] + 1]}; }
  Span MemoryRun(size_t row) const { return memory_runs_[class_of_[row]]; }
  Sides SidesOf(size_t row) const { return hypersphere::SidesOf(row, OwnRun(row), MemoryRun(row), input_.n, Columns()); }
  // Of the batch's rows or, in the caller's order, of all columns; and the class of each.
  const ClassRows& Classes() const { return classes_; }
  const size_t* ClassOf() const { return class_of_; }
  // In the caller's order: the columns of this row's class, itself among them, ascending.
  const size_t* Own(size_t row) const { return classes_.rows + classes_.starts[class_of_[row]]; }
  size_t OwnCount(size_t row) const { return classes_.starts[class_of_[row] + 1] - classes_.starts[class_of_[row]]; }

 private:
  void FindMemoryRuns(const int32_t* labels);
  Status Gather(float* to, const std::atomic<bool>* cancel) const;

  Workspace& space_;
  const PairInput input_;
  Buckets buckets_, memory_buckets_;
  size_t labels_place_, class_place_, rows_place_, runs_place_;
  const float* rows_ = nullptr;
  size_t* class_of_ = nullptr;
  Span* memory_runs_ = nullptr;
  ClassRows classes_{}, memory_{};
};

// Gathers Σ w_aj·∂½‖x_a − x_j‖² (or of −x_a·x_j) over blocks of weights. Most pairs go through two products a block,
// Σ_j w_aj·x_j and its transpose, on rows without their mean: translation changes nothing, and offset data keep their digits. Pairs that
// are marked go from differences, in order, in blocks of columns: few pairs need no product, and near ones would cancel in it.
//
// snr(a, j) is ‖c_a − c_j‖² / ‖c_a‖² of rows c that each lack their own mean. So it is a squared distance of those rows with the anchor's factor
// 1/‖c_a‖², which moves as well and adds −2·snr/‖c_a‖²·c_a to the anchor alone. All of it is free of a mean, so x has the gradient of c.
class PairGradient {
 public:
  PairGradient(Workspace& space, const BatchRows& rows, bool dense, bool wanted);
  Status Prepare(const std::atomic<bool>* cancel);

  // Anchor `at` of the block, which its task owns: makes weights of coefficients, in their place. `distances` is not read for cosines, and
  // overwritten for snr. Clear comes first.
  void Weigh(size_t first, size_t at, float* distances, float* weights);
  // The same where only these few rows have a coefficient.
  void Mark(size_t first, size_t at, size_t row, double coefficient, float* distances);
  void Clear(size_t at);
  Status Add(size_t first, size_t count, float* weights, const std::atomic<bool>* cancel);
  // Makes weights of coefficients [count, columns] of values between some of the memory's rows, these columns, and all, and adds the part of the
  // batch. `rows` are these rows, and may be overwritten as the distances may.
  Status AddStored(const size_t* stored, size_t count, float* distances, float* weights, float* rows, const std::atomic<bool>* cancel);
  // out = scale·∂, through the normalisation.
  Status Write(double scale, float* out, const std::atomic<bool>* cancel);

 private:
  Status CenterColumns(float* centered, const std::atomic<bool>* cancel) const;
  Status CenterRows(float* centered, const std::atomic<bool>* cancel) const;
  double WeighRow(size_t column, size_t at, float* distances, float* weights);
  // Anchors are the rows from `first` on, or those listed.
  Status AddMarked(size_t first, const size_t* listed, size_t count, const float* weights, const std::atomic<bool>* cancel);
  void AddMarkedColumns(size_t first, const size_t* listed, size_t count, const float* weights, size_t col);
  Status LeaveUnmarked(size_t count, float* weights, const std::atomic<bool>* cancel);
  size_t Words() const;

  Workspace& space_;
  const BatchRows& rows_;
  const bool dense_, wanted_;
  size_t sums_place_, centered_place_, norms_place_, moments_place_, row_place_, col_place_, marks_place_, marked_place_, full_place_;
  const float* centered_ = nullptr;
  float *sums_ = nullptr, *norms_ = nullptr;
  Moments* moments_ = nullptr;  // snr only
  double *row_sums_ = nullptr, *col_sums_ = nullptr;
  uint64_t* marks_ = nullptr;
  uint8_t *marked_ = nullptr, *full_ = nullptr;  // of the block's anchors: any mark, any other weight
};

}  // namespace hypersphere
