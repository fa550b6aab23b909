// The miners: what the rules of bands select against plain loops over the same distances, and of every rule that tuples are what they should be,
// that a sample is a part of the whole, that levels with FMA and any number of threads select one thing, and that a cancelled call ends. The
// rules one by one are compared with the reference's in test/parity/mined-rules.test.ts.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "../../native/ops/mining.h"
#include "../../native/threads/pool.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Ints = std::vector<int32_t>;

struct Batch {
  std::vector<float> rows;
  Ints labels;
  size_t d;
};

Batch Make(size_t n, size_t d, size_t classes, uint32_t seed) {
  Batch batch{Normals(n * d, seed), Ints(n), d};
  // Halves, so that distances tie.
  for (float& value : batch.rows) value = static_cast<float>(static_cast<int>(value * 2)) / 2;
  for (size_t i = 0; i < n; i++) batch.labels[i] = static_cast<int32_t>(i * 7 % classes) - 2;
  return batch;
}

Ints Triplets(const Batch& batch, Mining strategy, double share = 1) {
  TripletMiner miner({batch.rows.data(), batch.labels.data(), batch.labels.size(), batch.d, Metric::kEuclidean, true, strategy, 0.25, 3});
  CHECK(miner.Count(nullptr) == Status::kOk, "%d", static_cast<int>(strategy));
  const auto wanted = static_cast<uint64_t>(share * static_cast<double>(miner.Selected()));
  Ints out(3 * wanted, -9);
  CHECK(miner.Fill(out.data(), wanted, nullptr) == Status::kOk, "%d", static_cast<int>(strategy));
  return out;
}

struct Pairs {
  Ints own, others;
  bool operator==(const Pairs& other) const { return own == other.own && others == other.others; }
};

MinePairsOp PairsOp(const Batch& batch, PairStrategy strategy) {
  return {batch.rows.data(), batch.labels.data(), batch.labels.size(), batch.d, Metric::kSquaredEuclidean, false, strategy, 0.5, 1, 4,
          EasyHard::kEasy, EasyHard::kSemiHard, 5};
}

Pairs PairsOf(const Batch& batch, PairStrategy strategy, double share = 1) {
  PairMiner miner(PairsOp(batch, strategy));
  CHECK(miner.Count(nullptr) == Status::kOk, "%d", static_cast<int>(strategy));
  const auto own = static_cast<uint64_t>(share * static_cast<double>(miner.SelectedPositives()));
  const auto others = static_cast<uint64_t>(share * static_cast<double>(miner.SelectedNegatives()));
  Pairs out{Ints(2 * own, -9), Ints(2 * others, -9)};
  CHECK(miner.Fill(out.own.data(), own, out.others.data(), others, nullptr) == Status::kOk, "%d", static_cast<int>(strategy));
  return out;
}

Ints Expected(const Batch& batch, Mining strategy) {
  const size_t n = batch.labels.size();
  std::vector<float> unit(n * batch.d), apart(n * n);
  Normalize({batch.rows.data(), unit.data(), n, batch.d, kShortest}, nullptr);
  Distances({unit.data(), unit.data(), apart.data(), n, n, batch.d, Metric::kEuclidean}, nullptr);
  Ints out;
  for (size_t a = 0; a < n; a++) {
    for (size_t p = 0; p < n; p++) {
      for (size_t k = 0; k < n; k++) {
        if (p == a || batch.labels[p] != batch.labels[a] || batch.labels[k] == batch.labels[a]) continue;
        const double gap = double(apart[a * n + k]) - double(apart[a * n + p]);
        const bool selected = strategy == Mining::kAll || (strategy == Mining::kViolating && gap < 0.25) || (strategy == Mining::kHard && gap <= 0) ||
                              (strategy == Mining::kSemiHard && gap > 0 && gap <= 0.25) || (strategy == Mining::kEasy && gap > 0.25);
        if (selected) out.insert(out.end(), {int32_t(a), int32_t(p), int32_t(k)});
      }
    }
  }
  return out;
}

// Sorted tuples of an anchor, rows of its class and then one of another; without the last, all of one kind.
void CheckTuples(const Batch& batch, const Ints& tuples, size_t wide, bool others) {
  for (size_t i = 0; i < tuples.size(); i += wide) {
    const int32_t* const at = tuples.data() + i;
    for (size_t t = 1; t < wide; t++) {
      const bool own = wide == 3 ? t == 1 : !others;
      CHECK(at[t] >= 0 && size_t(at[t]) < batch.labels.size() && at[t] != at[0], "%d", at[t]);
      CHECK((batch.labels[size_t(at[t])] == batch.labels[size_t(at[0])]) == own, "%d beside %d", at[t], at[0]);
    }
    CHECK(i == 0 || std::lexicographical_compare(at - wide, at, at, at + wide), "tuple %zu", i / wide);
  }
}

void CheckPart(const Ints& part, const Ints& whole, size_t wide) {
  size_t at = 0;
  for (size_t i = 0; i < part.size(); i += wide, at += wide) {
    while (at < whole.size() && memcmp(&whole[at], &part[i], wide * sizeof(int32_t)) != 0) at += wide;
    CHECK(at < whole.size(), "tuple %zu", i / wide);
  }
}

constexpr Mining kStrategies[] = {Mining::kAll,       Mining::kViolating,       Mining::kSemiHard,         Mining::kHard,            Mining::kEasy,
                                  Mining::kBatchHard, Mining::kSemiHardClosest, Mining::kHardestViolating, Mining::kFaceNetSemiHard, Mining::kDistanceWeighted};
constexpr PairStrategy kPairStrategies[] = {PairStrategy::kMultiSimilarity, PairStrategy::kPairMargin, PairStrategy::kBatchHard, PairStrategy::kEasyHard};

// All of it at one level and number of threads.
struct Selections {
  std::vector<Ints> triplets;
  std::vector<Pairs> pairs;
};

Selections Select(const Batch& batch) {
  Selections all;
  for (const Mining strategy : kStrategies) {
    all.triplets.push_back(Triplets(batch, strategy));
    all.triplets.push_back(Triplets(batch, strategy, 0.3));
  }
  for (const PairStrategy strategy : kPairStrategies) {
    all.pairs.push_back(PairsOf(batch, strategy));
    all.pairs.push_back(PairsOf(batch, strategy, 0.3));
  }
  return all;
}

void Values(const Batch& batch) {
  Selections first;
  for (const Level level : Levels()) {
    SetLevel(level);
    SetThreads(1);
    const Selections all = Select(batch);
    for (size_t i = 0; i < all.triplets.size(); i += 2) {
      const Mining strategy = kStrategies[i / 2];
      CheckTuples(batch, all.triplets[i], 3, true);
      CheckPart(all.triplets[i + 1], all.triplets[i], 3);
      if (strategy <= Mining::kEasy) CHECK(all.triplets[i] == Expected(batch, strategy), "%s, strategy %zu", LevelName(level), i / 2);
    }
    for (size_t i = 0; i < all.pairs.size(); i += 2) {
      CheckTuples(batch, all.pairs[i].own, 2, false);
      CheckTuples(batch, all.pairs[i].others, 2, true);
      CheckPart(all.pairs[i + 1].own, all.pairs[i].own, 2);
      CheckPart(all.pairs[i + 1].others, all.pairs[i].others, 2);
    }
    for (const int threads : {2, 3, 8}) {
      SetThreads(threads);
      const Selections other = Select(batch);
      CHECK(other.triplets == all.triplets && other.pairs == all.pairs, "%s with %d threads", LevelName(level), threads);
    }
    if (level == Level::kBaseline) continue;
    if (first.triplets.empty()) first = all;
    CHECK(first.triplets == all.triplets && first.pairs == all.pairs, "%s", LevelName(level));
  }
}

void Cancelled(const Batch& batch) {
  const std::atomic<bool> cancel{true};
  TripletMiner triplets({batch.rows.data(), batch.labels.data(), batch.labels.size(), batch.d, Metric::kSnr, true, Mining::kHard, 0, 0});
  CHECK(triplets.Count(&cancel) == Status::kAborted, "triplets");
  PairMiner pairs(PairsOp(batch, PairStrategy::kBatchHard));
  CHECK(pairs.Count(nullptr) == Status::kOk, "pairs");
  Ints own(2 * pairs.SelectedPositives()), others(2 * pairs.SelectedNegatives());
  CHECK(pairs.Fill(own.data(), own.size() / 2, others.data(), others.size() / 2, &cancel) == Status::kAborted, "pairs");
}

// Rows of shared memory that another thread writes to between counting and filling: said, and nothing outside of the room is written.
void ChangedMeanwhile(Batch batch) {
  const auto mine = [&](bool change) {
    TripletMiner miner({batch.rows.data(), batch.labels.data(), batch.labels.size(), batch.d, Metric::kEuclidean, false, Mining::kSemiHard, 0.05, 3});
    CHECK(miner.Count(nullptr) == Status::kOk, "counting");
    Ints out(3 * miner.Selected() + 3, -9);
    if (change) std::reverse(batch.rows.begin(), batch.rows.end());
    CHECK(miner.Fill(out.data(), miner.Selected(), nullptr) == Status::kOk, "filling");
    CHECK(out[out.size() - 1] == -9 && out[out.size() - 3] == -9, "written beyond the room");
    return miner.Changed();
  };
  CHECK(!mine(false), "changed by nobody");
  CHECK(mine(true), "a change unseen");
}

// The weights of distances against the C library's logarithms and powers: a draw has 32 bits.
void Weights() {
  for (const double d : {0.0, 1.0, 3.0, 128.0, 2048.0}) {
    Workspace space;
    DistanceWeights weights(space, true);
    CHECK(space.Allocate(), "no memory");
    weights.Prepare(d);
    for (int k = 0; k < 200000; k++) {
      const float distance = static_cast<float>(k) * 7e-6f;
      if (!(static_cast<double>(distance) < DistanceWeights::kEnd)) break;
      const double counted = std::fmax(static_cast<double>(distance), DistanceWeights::kCutoff);
      const double expected = (2 - d) * std::log(counted) + (3 - d) / 2 * std::log(1 - counted * counted / 4);
      CHECK(std::fabs(weights.LogOf(distance) - expected) <= 1e-12 * (d + 3), "%g components, distance %g: %.17g instead of %.17g", d,
            static_cast<double>(distance), weights.LogOf(distance), expected);
    }
    const float last = std::nextafterf(static_cast<float>(DistanceWeights::kEnd), 0.0f);
    CHECK(std::isfinite(weights.LogOf(last)), "at the end");
  }
  for (double x = 0; x > -700; x -= 0.00731) {
    CHECK(std::fabs(DistanceWeights::PowerOf(x) / std::exp(x) - 1) <= 4e-15, "e^%g: %.17g", x, DistanceWeights::PowerOf(x));
  }
  CHECK(DistanceWeights::PowerOf(0) == 1 && DistanceWeights::PowerOf(-701) == 0, "ends");
}

}  // namespace

int main() {
  Weights();
  for (const size_t n : {0, 1, 2, 17, 40}) {
    Values(Make(n, 3, 5, 1));
    Values(Make(n, 2, 1, 2));      // one class
    Values(Make(n, 4, n + 1, 3));  // all distinct
  }
  // Enough rows for more threads than one, and for more blocks than one.
  const Batch several = Make(370, 4, 90, 4), many = Make(2100, 2, 700, 5);
  SetLevel(DetectedLevel());
  SetThreads(1);
  const Pairs pairs = PairsOf(several, PairStrategy::kMultiSimilarity, 0.5);
  const Ints hard = Triplets(several, Mining::kHard, 0.5), closest = Triplets(several, Mining::kSemiHardClosest), large = Triplets(many, Mining::kBatchHard, 0.5);
  CHECK(large.size() > 1000 && hard.size() > 1000 && closest.size() > 1000, "%zu, %zu, %zu", large.size(), hard.size(), closest.size());
  for (const int threads : {2, 3}) {
    SetThreads(threads);
    CHECK(PairsOf(several, PairStrategy::kMultiSimilarity, 0.5) == pairs, "%d threads", threads);
    CHECK(Triplets(several, Mining::kHard, 0.5) == hard && Triplets(several, Mining::kSemiHardClosest) == closest, "%d threads", threads);
    CHECK(Triplets(many, Mining::kBatchHard, 0.5) == large, "%d threads", threads);
  }
  Cancelled(several);
  ChangedMeanwhile(many);
  printf("mining: ok\n");
}
