#include "../ops/huge_pages.h"
#include "../ops/mining.h"
#include "function.h"
#include "ops.h"

namespace hypersphere {

namespace {

constexpr Metric kMetrics[] = {Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity, Metric::kSnr};

struct Room {
  int32_t* data;
  uint64_t tuples;
};

// What lib/native/mining.ts has allocated when it was told the size: the Int32Array that `room` returned, of at most so many tuples.
// It may lie anywhere but in the arguments, since it is fresh.
Room RoomOf(Napi::Env env, const Napi::Value& array, size_t wide, uint64_t most) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  const napi_status status = napi_get_typedarray_info(env, array, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_int32_array) throw Failure(env, "ERR_TYPE", "room", "an Int32Array", "another type");
  if (length % wide != 0 || length / wide > most) throw Failure(env, "ERR_SHAPE", "room", "no more tuples than there are", std::to_string(length));
  constexpr size_t kHugeBytes = size_t{4} << 20;
  if (length * sizeof(int32_t) >= kHugeBytes) AdviseHuge(data, length * sizeof(int32_t));
  return {static_cast<int32_t*>(data), length / wide};
}

// The only JavaScript that runs in an op. It allocates and touches no argument; that these still are where they were is looked at all the same.
class Rows {
 public:
  Rows(const Args& args, size_t n, size_t d) : args_(args), n_(n), d_(d), x_(args.Floats(0, n, d)), labels_(args.Ints(1, n, 1)) {}
  const float* X() const { return x_; }
  const int32_t* Labels() const { return labels_; }
  void CheckUnmoved() const {
    if (args_.Floats(0, n_, d_) != x_ || args_.Ints(1, n_, 1) != labels_) {
      throw Failure(args_.Env(), "ERR_DETACHED", "x", "a buffer that stays where it is", "another one");
    }
  }

 private:
  const Args& args_;
  const size_t n_, d_;
  const float* const x_;
  const int32_t* const labels_;
};

// Another thread may write to shared rows: no tuple of such a call is worth having.
void CheckUnchanged(Napi::Env env, bool changed) {
  if (changed) throw Failure(env, "ERR_BUSY", "x", "rows that stay as they are during the call", "a change by another thread");
}

Napi::Number NumberOf(Napi::Env env, uint64_t count) { return Napi::Number::New(env, static_cast<double>(count)); }

// room(selected) returns where the triplets go.
void MineTripletsSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "labels", "n", "d", "metric", "normalize", "strategy", "margin", "seed", "room"});
  const Napi::Env env = info.Env();
  MineTripletsOp op{};
  op.n = args.Size(2);
  op.d = args.Size(3);
  op.metric = kMetrics[args.Int(4, 0, 3)];
  op.normalize = args.Flag(5);
  op.strategy = static_cast<Mining>(args.Int(6, 0, static_cast<int>(Mining::kDistanceWeighted)));
  op.margin = args.Number(7);
  op.seed = static_cast<uint32_t>(args.Size(8));
  const Napi::Function room = args.Function(9);
  const Rows rows(args, op.n, op.d);
  op.x = rows.X();
  op.labels = rows.Labels();
  TripletMiner miner(op);
  Expect(env, miner.Count(nullptr));
  const Room out = RoomOf(env, room.Call({NumberOf(env, miner.Selected())}), 3, miner.Selected());
  rows.CheckUnmoved();
  Expect(env, miner.Fill(out.data, out.tuples, nullptr));
  CheckUnchanged(env, miner.Changed());
}

// room(own, positives, negatives) returns where the pairs of that kind go; it is asked for the negatives first.
void MinePairsSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "labels", "n", "d", "metric", "normalize", "strategy", "epsilon", "posMargin", "negMargin", "positives", "negatives",
                         "seed", "room"});
  const Napi::Env env = info.Env();
  MinePairsOp op{};
  op.n = args.Size(2);
  op.d = args.Size(3);
  op.metric = kMetrics[args.Int(4, 0, 3)];
  op.normalize = args.Flag(5);
  op.strategy = static_cast<PairStrategy>(args.Int(6, 0, static_cast<int>(PairStrategy::kEasyHard)));
  op.epsilon = args.Number(7);
  op.pos_margin = args.Number(8);
  op.neg_margin = args.Number(9);
  op.positives = static_cast<EasyHard>(args.Int(10, 0, static_cast<int>(EasyHard::kAll)));
  op.negatives = static_cast<EasyHard>(args.Int(11, 0, static_cast<int>(EasyHard::kAll)));
  op.seed = static_cast<uint32_t>(args.Size(12));
  const Napi::Function room = args.Function(13);
  const Rows rows(args, op.n, op.d);
  op.x = rows.X();
  op.labels = rows.Labels();
  PairMiner miner(op);
  Expect(env, miner.Count(nullptr));
  const uint64_t positives = miner.SelectedPositives(), negatives = miner.SelectedNegatives();
  const auto ask = [&](bool own) {
    return room.Call({Napi::Boolean::New(env, own), NumberOf(env, positives), NumberOf(env, negatives)});
  };
  // Both are held by this call's handles until it is over; where they lie is asked for when no more JavaScript runs.
  const Napi::Value for_others = ask(false), for_own = ask(true);
  const Room others = RoomOf(env, for_others, 2, negatives), own = RoomOf(env, for_own, 2, positives);
  rows.CheckUnmoved();
  Expect(env, miner.Fill(own.data, own.tuples, others.data, others.tuples, nullptr));
  CheckUnchanged(env, miner.Changed());
}

}  // namespace

void ExportMining(Napi::Env env, Napi::Object exports) {
  exports.Set("mineTriplets", FunctionOf(env, MineTripletsSync, "mineTriplets"));
  exports.Set("minePairs", FunctionOf(env, MinePairsSync, "minePairs"));
}

}  // namespace hypersphere
