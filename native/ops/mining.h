// Online selection of triplets and pairs of a labelled batch, in two steps: what a rule selects is counted, the caller makes room, and the room
// is filled. lib/reference/mining.ts defines the rules. One thread makes a miner, uses it and lets it go; its arrays stay until it is done.
#pragma once

#include "chosen.h"
#include "distance_weights.h"
#include "mined_rows.h"
#include "ops.h"

namespace hypersphere {

struct MineTripletsOp {
  const float* x;
  const int32_t* labels;
  size_t n, d;    // n < 2³¹
  Metric metric;  // euclidean, squaredEuclidean, cosineSimilarity or snr
  bool normalize;
  Mining strategy;
  double margin;
  uint32_t seed;
};

class TripletMiner {
 public:
  explicit TripletMiner(const MineTripletsOp& op);
  Status Count(const std::atomic<bool>* cancel) noexcept;
  uint64_t Selected() const { return chosen_.Total(); }
  // Tuples (anchor, positive, negative), sorted: all, or a sample of `wanted` of them.
  Status Fill(int32_t* out, uint64_t wanted, const std::atomic<bool>* cancel) noexcept;
  // After Fill: whether the tuples are not those that were counted (chosen.h).
  bool Changed() const { return chosen_.Changed(); }

 private:
  friend class TripletRule;
  const MineTripletsOp op_;
  Workspace space_;
  MinedRows rows_;
  Chosen<3> chosen_;
  DistanceWeights weights_;
  size_t found_place_, order_place_, sums_place_;
};

// In the order of `pairStrategies` and of `easyHardChoices` in lib/ops/pairs.ts.
enum class PairStrategy { kMultiSimilarity, kPairMargin, kBatchHard, kEasyHard };
enum class EasyHard { kEasy, kSemiHard, kHard, kAll };

struct MinePairsOp {
  const float* x;
  const int32_t* labels;
  size_t n, d;    // n < 2³¹
  Metric metric;  // as above
  bool normalize;
  PairStrategy strategy;
  double epsilon, pos_margin, neg_margin;
  EasyHard positives, negatives;  // easyHard's; of a semi-hard side the other is easy or hard
  uint32_t seed;
};

class PairMiner {
 public:
  explicit PairMiner(const MinePairsOp& op);
  Status Count(const std::atomic<bool>* cancel) noexcept;
  uint64_t SelectedPositives() const { return positives_.Total(); }
  uint64_t SelectedNegatives() const { return negatives_.Total(); }
  // Tuples (i, j) of either kind, sorted, as above.
  Status Fill(int32_t* positives, uint64_t wanted_positives, int32_t* negatives, uint64_t wanted_negatives, const std::atomic<bool>* cancel) noexcept;
  bool Changed() const { return positives_.Changed() || negatives_.Changed(); }

 private:
  friend class PairRule;
  const MinePairsOp op_;
  Workspace space_;
  MinedRows rows_;
  Chosen<2> positives_, negatives_;
  size_t found_place_;
};

}  // namespace hypersphere
