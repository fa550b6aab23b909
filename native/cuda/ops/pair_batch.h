// What the losses over pairs of a batch share on the device: the batch's rows and a memory's, blocks of their distances, and the gradient of a block's
// weights. The host orders rows and labels (ops/batch_rows.h), whose blocks these are: no more than a block of anchors against all columns exists.
#pragma once

#include "../../ops/batch_rows.h"
#include "../pair_args.h"
#include "product.h"

namespace hypersphere {
namespace cuda {

// Some of the columns against all, no more than a block of them.
struct ListedRows {
  int32_t* columns;
  float* rows;
  Side side;
  float* distances;
};

class PairBatch {
 public:
  // Uploads rows that are ordered. `dense`: most pairs of an anchor may have a weight; `wanted`: there is a gradient.
  PairBatch(Call& call, const BatchRows& rows, bool dense, bool wanted);

  size_t Most() const { return most_; }  // anchors of a block
  const float* Rows() const { return side_.rows; }  // [columns, d], as they are compared
  ColumnClasses UploadClasses();
  // Launches the distances of a block; 0 to themselves.
  PairBlock Distances(size_t first);
  ListedRows AllocateListed();
  // The same of the columns that are listed on the host; their distances to themselves are as they come.
  PairBlock Distances(const int32_t* columns, size_t count, const ListedRows& to);
  const GradientSums& Sums() const { return sums_; }
  // Where a loss has left coefficients of all pairs in the block's weights, and its distances as they were.
  void LaunchWeigh(const PairBlock& block);
  // Weights, marked or not, to the gradient.
  void LaunchAdd(const PairBlock& block);
  // Those of rows of the memory, which are listed, to the gradient of the batch. Takes their rows' place.
  void LaunchAddStored(const PairBlock& block, const ListedRows& of);
  // [n, d], rows in their order, through the normalisation.
  const float* LaunchFinish(double scale);

 private:
  void Center();
  Metric Compared() const { return rows_.Cosine() ? Metric::kDot : rows_.Input().metric; }
  void LaunchTake(const float* rows, const ListedRows& to, size_t count);
  void LaunchAddMarked(const PairBlock& block);

  Call& call_;
  const BatchRows& rows_;
  const size_t n_, columns_, d_, most_;
  const bool dense_;
  const float* given_;
  Side side_{};
  uint64_t* marks_;
  float *distances_, *weights_ = nullptr;
  GradientSums sums_{};
};

}  // namespace cuda
}  // namespace hypersphere
