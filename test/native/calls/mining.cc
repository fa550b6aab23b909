// The miners: what is selected is counted, and as much of it as there is room for is drawn.
#include "../../../native/ops/mining.h"

#include "call.h"

namespace hypersphere::test {

namespace {

constexpr size_t kRoom = 200;

Metric MetricOf(Source& from) { return from.Of({Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity, Metric::kSnr}); }

uint64_t WantedOf(uint64_t selected) { return selected < kRoom ? selected : kRoom; }

void BuildTriplets(Call& call, int strategy) {
  Source& from = call.source;
  MineTripletsOp op{};
  op.n = from.Length(0, 130);
  op.d = from.Length(1, 70);
  op.metric = MetricOf(from);
  op.normalize = from.Flag();
  op.strategy = static_cast<Mining>(strategy);
  op.margin = from.Number(0, 1e300);
  op.seed = from.Word();
  op.x = call.Rows(op.n, op.d);
  op.labels = call.AnyLabels(op.n);
  double* const selected = call.Result<double>(1);
  int32_t* const out = call.Result<int32_t>(3 * kRoom);
  call.run = [=](const std::atomic<bool>* cancel) {
    TripletMiner miner(op);
    Status status = miner.Count(cancel);
    if (status != Status::kOk) return status;
    status = miner.Fill(out, WantedOf(miner.Selected()), cancel);
    if (status != Status::kOk) return status;
    CHECK(!miner.Changed(), "triplets have changed");
    *selected = static_cast<double>(miner.Selected());
    return status;
  };
}

void BuildPairs(Call& call, int strategy) {
  Source& from = call.source;
  MinePairsOp op{};
  op.n = from.Length(0, 300);
  op.d = from.Length(1, 70);
  op.metric = MetricOf(from);
  op.normalize = from.Flag();
  op.strategy = static_cast<PairStrategy>(strategy);
  op.epsilon = from.Number(0, 1e300);
  op.pos_margin = from.Number(-1e300, 1e300);
  op.neg_margin = from.Number(-1e300, 1e300);
  op.positives = from.Of({EasyHard::kEasy, EasyHard::kSemiHard, EasyHard::kHard, EasyHard::kAll});
  op.negatives = op.positives == EasyHard::kSemiHard ? from.Of({EasyHard::kEasy, EasyHard::kHard})
                                                     : from.Of({EasyHard::kEasy, EasyHard::kHard, EasyHard::kAll});
  if (op.positives != EasyHard::kSemiHard && op.positives != EasyHard::kAll && from.Flag()) op.negatives = EasyHard::kSemiHard;
  op.seed = from.Word();
  op.x = call.Rows(op.n, op.d);
  op.labels = call.AnyLabels(op.n);
  double* const selected = call.Result<double>(2);
  int32_t* const positives = call.Result<int32_t>(2 * kRoom);
  int32_t* const negatives = call.Result<int32_t>(2 * kRoom);
  call.run = [=](const std::atomic<bool>* cancel) {
    PairMiner miner(op);
    Status status = miner.Count(cancel);
    if (status != Status::kOk) return status;
    status = miner.Fill(positives, WantedOf(miner.SelectedPositives()), negatives, WantedOf(miner.SelectedNegatives()), cancel);
    if (status != Status::kOk) return status;
    CHECK(!miner.Changed(), "pairs have changed");
    selected[0] = static_cast<double>(miner.SelectedPositives());
    selected[1] = static_cast<double>(miner.SelectedNegatives());
    return status;
  };
}

}  // namespace

Group MiningCalls() {
  Group group{"mining", {}};
  for (int strategy = 0; strategy <= static_cast<int>(Mining::kDistanceWeighted); strategy++) group.calls.push_back({"mineTriplets", BuildTriplets, strategy});
  for (int strategy = 0; strategy <= static_cast<int>(PairStrategy::kEasyHard); strategy++) group.calls.push_back({"minePairs", BuildPairs, strategy});
  return group;
}

}  // namespace hypersphere::test
