// A batch as the miners see it: each row as an anchor, its positives beside its distances to all rows, which a rule compares. The rules look at
// every row twice, once to count and once to fill a result that then has its exact size, so the distances of a batch that fits one block
// are made once, and those of a larger one twice: no more than a block of them exists.
#pragma once

#include "../cpu.h"
#include "batch_rows.h"
#include "blocks.h"

namespace hypersphere {

constexpr float kInfinite = __builtin_inff();

// 16 MiB of distances; an anchor's block beyond it is that of the losses.
constexpr size_t kMostHeld = size_t{4} << 20;

struct MinedPositive {
  float apart;
  uint32_t row;
};

struct MinedAnchor {
  size_t row;
  const float* apart;              // [n]: NaN to its own class, so that a band of them holds negatives alone
  const MinedPositive* positives;  // ascending by row
  size_t count;                    // of those
  size_t negatives;
};

class MinedRows {
 public:
  // Without distances, where a rule asks for labels alone, `apart` is null and that of the positives unset.
  MinedRows(Workspace& space, const PairInput& input, bool distances = true);
  // After the workspace's allocation.
  Status Prepare(const std::atomic<bool>* cancel) { return rows_.Prepare(cancel); }

  size_t Count() const { return n_; }
  size_t Workers() const { return static_cast<size_t>(threads_); }

  // visit(anchor, worker) for every row, in no order.
  template <class Visit>
  Status Sweep(const Visit& visit, const std::atomic<bool>* cancel) {
    Status status = Status::kOk;
    for (size_t first = 0; status == Status::kOk && first < n_; first += most_) {
      const size_t count = Least(most_, n_ - first);
      const bool fresh = distances_ && !held_;
      if (fresh) status = rows_.Block(first, count, space_.At<float>(block_place_), cancel);
      if (status != Status::kOk) break;
      const auto anchors = [&](size_t index, int worker) {
        for (size_t at = index * kAnchorsOfTask; at < Least((index + 1) * kAnchorsOfTask, count); at++) {
          const size_t w = static_cast<size_t>(worker);
          const MinedAnchor anchor = Enter(first + at, at, w, fresh);
          visit(anchor, w);
          Leave(anchor, at);
        }
      };
      status = ParallelFor(DivideUp(count, kAnchorsOfTask), anchors, cancel, threads_);
      held_ = status == Status::kOk && count == n_;
    }
    return status;
  }

  // The rows of other classes than this one's, ascending.
  void ListNegatives(size_t row, int32_t* to) const;

 private:
  static constexpr size_t kAnchorsOfTask = 4;

  MinedAnchor Enter(size_t row, size_t at, size_t worker, bool fresh) const;
  void Leave(const MinedAnchor& anchor, size_t at) const;
  float* Row(size_t at) const { return distances_ ? space_.At<float>(block_place_) + at * n_ : nullptr; }

  const KeptLevel kept_;  // what is filled is what was counted
  Workspace& space_;
  const size_t n_, most_;  // rows; anchors of a block
  const bool distances_;
  const int threads_;
  BatchRows rows_;
  size_t block_place_, positives_place_;
  bool held_ = false;  // the distances of all rows are there
};

// Rows of other classes, or n without any: the nearest of those farther than `above`, and the farthest. Ties go to the lowest, NaN never wins.
size_t NearestBeyond(const MinedAnchor& anchor, size_t n, float above = -kInfinite);
size_t FarthestNegative(const MinedAnchor& anchor, size_t n);
// The farthest of the positives, by the same rules; null without any.
const MinedPositive* FarthestPositive(const MinedAnchor& anchor);

}  // namespace hypersphere
