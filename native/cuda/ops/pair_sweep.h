// ops/pair_sweep.h on the device: sweeps over the pairs of rows of one class. Columns are by class; a block of anchors is met with its own rows and then
// with the others of its classes, gathered by no more than a block, in the CPU's order. Rows of the memory follow as positives. Distances and weights
// never leave the device.
#pragma once

#include <functional>

#include "../../ops/blocks.h"
#include "pair_batch.h"

namespace hypersphere {
namespace cuda {

// What of the batch the host knows, before the device has anything.
class PairedBatch {
 public:
  // Input by class.
  PairedBatch(Workspace& space, const PairInput& input, bool wanted);
  // After the workspace's allocation.
  Status Start(const std::atomic<bool>* cancel);

  const BatchRows& Rows() const { return rows_; }
  bool Wanted() const { return wanted_; }
  const ClassRuns* Runs() const { return space_.At<ClassRuns>(runs_); }
  size_t ColumnOf(size_t given) const { return Columns()[given]; }
  // The caller's numbers of columns, and back.
  const uint32_t* Given() const { return space_.At<uint32_t>(given_); }
  const uint32_t* Columns() const { return space_.At<uint32_t>(column_of_); }
  const int32_t* Stored() const { return space_.At<int32_t>(stored_); }  // columns whose class is in the batch
  size_t StoredCount() const { return stored_count_; }
  int32_t* Listed() const { return space_.At<int32_t>(listed_); }
  float* Gradient() const { return space_.At<float>(gradient_); }

 private:
  Workspace& space_;
  BatchRows rows_;
  const bool wanted_;
  size_t runs_, given_, column_of_, stored_, listed_, gradient_;
  size_t stored_count_ = 0;
};

class PairSweep {
 public:
  PairSweep(Call& call, const PairedBatch& batch);

  size_t Most() const { return pairs_.Most(); }  // anchors of a launch
  // Runs a kernel over the anchors, each with those of the partners that are of its class. Where the partners are not listed the anchors are new.
  template <class Launch>
  void Sweep(const Launch& launch) {
    SweepWith(std::cref(launch));  // a reference, which takes no memory
  }
  // scale times the gradient; NaN where the loss is undefined, which has none.
  Status Finish(bool undefined, double scale, float* grad_x);

 private:
  using LaunchPairs = std::function<void(const PairBlock& anchors, const PairBlock& partners)>;
  void SweepWith(const LaunchPairs& launch);
  void OfBatch(size_t first, const LaunchPairs& launch);
  void OfStored(size_t first, const LaunchPairs& launch);
  void Clear(const PairBlock& block);
  void WithOthers(const PairBlock& anchors, const int32_t* columns, size_t count, const LaunchPairs& launch);

  Call& call_;
  const PairedBatch& batch_;
  PairBatch pairs_;
  ListedRows others_{}, anchors_{};
};

// One function a loss, dispatched by BatchLoss (ops.h).
Status AngularLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;

}  // namespace cuda
}  // namespace hypersphere
