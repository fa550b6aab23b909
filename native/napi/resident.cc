// Rows that stay on the device: { marginSoftmax, centerLoss, updateCenters, distances, nearest, read, write, dispose } by a handle, with the arguments
// of the addon's ops of that name, but for the rows; { fast } has those that tensor cores can serve.
#include "../cuda/ops/resident.h"

#include <climits>
#include <memory>
#include <utility>

#include "head_args.h"
#include "implementation.h"
#include "kept.h"

namespace hypersphere {

namespace {

using cuda::Precision;
using cuda::ResidentRows;
using Handle = Kept<ResidentRows>;

constexpr int kLastMetric = static_cast<int>(Metric::kSnr);

ResidentRows& Live(const Napi::CallbackInfo& info, const Handle& kept) {
  if (kept.Get() == nullptr) throw Failure(info.Env(), "ERR_DETACHED", "rows", "rows that are not disposed", "disposed ones");
  return *kept.Get();
}

Metric ReadMetric(const Args& args, size_t index) { return static_cast<Metric>(args.Int(index, 0, kLastMetric)); }

// The elements of a typed array of the rows' type and number.
void* AllOf(const Args& args, size_t index, const ResidentRows& rows) {
  if (rows.half) return args.Halves(index, rows.count, rows.d);
  return args.Floats(index, rows.count, rows.d);
}

template <Precision kPrecision>
void RunHead(const Napi::CallbackInfo& info, ResidentRows& rows) {
  Expect(info.Env(), rows.MarginSoftmax(ReadHead(HeadArgs(info), &rows)->op, kPrecision));
}

// The centers are float32: what an op of centers may be asked of.
void ExpectCenters(const Napi::CallbackInfo& info, const ResidentRows& rows) {
  if (rows.half) throw Failure(info.Env(), "ERR_TYPE", "centers", "float32", "bfloat16");
}

void RunCenterLoss(const Napi::CallbackInfo& info, ResidentRows& rows) {
  ExpectCenters(info, rows);
  const Args args(info, {"x", "labels", "n", "scale", "loss", "perExample", "gradX", "gradCenters"});
  CenterLossOp op{};
  op.n = args.Size(2);
  op.d = rows.d;
  op.classes = rows.count;
  op.scale = args.Number(3);
  op.x = args.Floats(0, op.n, op.d);
  op.loss = args.Doubles(4, 1);
  op.per_example = args.Floats(5, op.n, 1);
  op.grad_x = args.OptionalFloats(6, op.n, op.d);
  op.grad_centers = args.OptionalFloats(7, op.classes, op.d);
  args.CheckApart({4, 5, 6, 7});
  const std::vector<int32_t> labels = args.Labels(1, op.n, op.classes);
  op.labels = labels.data();
  Expect(info.Env(), rows.CenterLoss(op));
}

void RunUpdateCenters(const Napi::CallbackInfo& info, ResidentRows& rows) {
  ExpectCenters(info, rows);
  const Args args(info, {"x", "labels", "n", "alpha"});
  UpdateCentersOp op{};
  op.n = args.Size(2);
  op.d = rows.d;
  op.classes = rows.count;
  op.alpha = args.Number(3);
  op.x = args.Floats(0, op.n, op.d);
  const std::vector<int32_t> labels = args.Labels(1, op.n, op.classes);
  op.labels = labels.data();
  Expect(info.Env(), rows.UpdateCenters(op));
}

template <Precision kPrecision>
void RunDistances(const Napi::CallbackInfo& info, ResidentRows& rows) {
  const Args args(info, {"x", "n", "first", "count", "metric", "out"});
  DistancesOp op{};
  op.n = args.Size(1);
  const size_t first = args.Size(2);
  op.m = args.Size(3);
  op.d = rows.d;
  if (first > rows.count || op.m > rows.count - first) {
    throw Failure(info.Env(), "ERR_SHAPE", "first", "a run of " + std::to_string(rows.count) + " rows", std::to_string(first) + " and " + std::to_string(op.m));
  }
  op.metric = ReadMetric(args, 4);
  op.x = args.Floats(0, op.n, op.d);
  op.out = args.Floats(5, op.n, op.m);
  args.CheckApart({5});
  Expect(info.Env(), rows.Distances(op, first, kPrecision));
}

void RunNearest(const Napi::CallbackInfo& info, ResidentRows& rows) {
  const Args args(info, {"x", "n", "k", "metric", "indices", "distances"});
  NearestOp op{};
  op.n = args.Size(1);
  op.m = rows.count;
  op.d = rows.d;
  op.k = static_cast<size_t>(args.Int(2, 1, INT_MAX));
  op.metric = ReadMetric(args, 3);
  op.x = args.Floats(0, op.n, op.d);
  op.indices = args.Ints(4, op.n, op.k);
  op.distances = args.Floats(5, op.n, op.k);
  args.CheckApart({4, 5});
  Expect(info.Env(), rows.Nearest(op));
}

void ReadBack(const Napi::CallbackInfo& info, ResidentRows& rows) {
  const Args args(info, {"rows", "state"});
  void* const values = args.IsPresent(0) ? AllOf(args, 0, rows) : nullptr;
  void* const state = args.IsPresent(1) ? AllOf(args, 1, rows) : nullptr;
  args.CheckApart({0, 1});
  Expect(info.Env(), rows.Read(values, state));
}

void WriteAnew(const Napi::CallbackInfo& info, ResidentRows& rows) { Expect(info.Env(), rows.Write(AllOf(Args(info, {"rows"}), 0, rows))); }

Napi::Value KeepRows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Args args(info, {"rows", "state", "count", "d"});
  const auto rows = std::make_shared<ResidentRows>(args.Size(2), args.Size(3), args.IsHalves(0), args.IsPresent(1));
  const void* const values = AllOf(args, 0, *rows);
  Expect(info.Env(), rows->Keep(values, rows->stateful ? AllOf(args, 1, *rows) : nullptr));
  const auto kept = std::make_shared<Handle>(env, rows);
  kept->Account();
  Napi::Object result = Napi::Object::New(env), fast = Napi::Object::New(env);
  const auto add = [&](Napi::Object to, const char* name, void (*run)(const Napi::CallbackInfo&, ResidentRows&)) {
    to.Set(name, FunctionOf(env, [kept, run](const Napi::CallbackInfo& call) { run(call, Live(call, *kept)); }, name));
  };
  add(result, "marginSoftmax", RunHead<Precision::kReproducible>);
  add(fast, "marginSoftmax", RunHead<Precision::kFast>);
  add(result, "centerLoss", RunCenterLoss);
  add(result, "updateCenters", RunUpdateCenters);
  add(result, "distances", RunDistances<Precision::kReproducible>);
  add(fast, "distances", RunDistances<Precision::kFast>);
  result.Set("fast", fast);
  add(result, "nearest", RunNearest);
  add(result, "read", ReadBack);
  add(result, "write", WriteAnew);
  result.Set("dispose", FunctionOf(env, [kept](const Napi::CallbackInfo&) { kept->Dispose(); }, "dispose"));
  return result;
}

}  // namespace

void ExportResident(Napi::Object exports) { exports.Set("keepRows", FunctionOf(exports.Env(), KeepRows, "keepRows")); }

}  // namespace hypersphere
