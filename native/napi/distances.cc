#include "args.h"
#include "implementation.h"
#include "ops.h"
#include "task.h"

namespace hypersphere {

namespace {

// The metric arrives as its index in `metrics` of lib/ops/distances.ts, which lists them in the order of the enum.
constexpr int kLastMetric = static_cast<int>(Metric::kSnr);

Args DistancesArgs(const Napi::CallbackInfo& info) { return Args(info, {"x", "y", "n", "m", "d", "metric", "out"}); }

DistancesOp ReadDistances(const Args& args) {
  DistancesOp op{};
  op.n = args.Size(2);
  op.m = args.Size(3);
  op.d = args.Size(4);
  op.metric = static_cast<Metric>(args.Int(5, 0, kLastMetric));
  op.x = args.Floats(0, op.n, op.d);
  op.y = args.Floats(1, op.m, op.d);
  op.out = args.Floats(6, op.n, op.m);
  args.CheckApart({6});
  return op;
}

void DistancesSync(const Napi::CallbackInfo& info) {
  Expect(info.Env(), ImplementationOf(info).distances(ReadDistances(DistancesArgs(info)), nullptr));
}

Napi::Value DistancesAsync(const Napi::CallbackInfo& info) {
  const Args args = DistancesArgs(info);
  const DistancesOp op = ReadDistances(args);
  const auto run = ImplementationOf(info).distances;
  return StartTask(args, "hypersphere.distances", [op, run](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

Args GradientArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"x", "y", "n", "m", "d", "metric", "gradOutput", "gradX", "gradY"});
}

DistancesGradientOp ReadGradient(const Args& args) {
  DistancesGradientOp op{};
  op.n = args.Size(2);
  op.m = args.Size(3);
  op.d = args.Size(4);
  op.metric = static_cast<Metric>(args.Int(5, 0, kLastMetric));
  op.x = args.Floats(0, op.n, op.d);
  op.y = args.Floats(1, op.m, op.d);
  op.grad_output = args.Floats(6, op.n, op.m);
  op.grad_x = args.Floats(7, op.n, op.d);
  op.grad_y = args.Floats(8, op.m, op.d);
  args.CheckApart({7, 8});
  return op;
}

void GradientSync(const Napi::CallbackInfo& info) {
  Expect(info.Env(), ImplementationOf(info).distances_gradient(ReadGradient(GradientArgs(info)), nullptr));
}

Napi::Value GradientAsync(const Napi::CallbackInfo& info) {
  const Args args = GradientArgs(info);
  const DistancesGradientOp op = ReadGradient(args);
  const auto run = ImplementationOf(info).distances_gradient;
  return StartTask(args, "hypersphere.distancesGradient", [op, run](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

}  // namespace

void ExportDistances(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "distances", DistancesSync);
  ExportFor(who, exports, "distancesAsync", DistancesAsync);
  ExportFor(who, exports, "distancesGradient", GradientSync);
  ExportFor(who, exports, "distancesGradientAsync", GradientAsync);
}

}  // namespace hypersphere
