#include "args.h"
#include "implementation.h"
#include "task.h"

namespace hypersphere {

namespace {

Args NormalizeArgs(const Napi::CallbackInfo& info) { return Args(info, {"x", "n", "d", "eps", "out"}); }

NormalizeOp ReadNormalize(const Args& args) {
  NormalizeOp op{};
  op.n = args.Size(1);
  op.d = args.Size(2);
  op.eps = args.Number(3);
  op.x = args.Floats(0, op.n, op.d);
  op.out = args.Floats(4, op.n, op.d);
  args.CheckApart({4});
  return op;
}

void NormalizeSync(const Napi::CallbackInfo& info) {
  Expect(info.Env(), ImplementationOf(info).normalize(ReadNormalize(NormalizeArgs(info)), nullptr));
}

Napi::Value NormalizeAsync(const Napi::CallbackInfo& info) {
  const Args args = NormalizeArgs(info);
  const NormalizeOp op = ReadNormalize(args);
  const auto run = ImplementationOf(info).normalize;
  return StartTask(args, "hypersphere.normalize", [op, run](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

Args GradientArgs(const Napi::CallbackInfo& info) { return Args(info, {"x", "n", "d", "eps", "gradOutput", "gradX"}); }

NormalizeGradientOp ReadGradient(const Args& args) {
  NormalizeGradientOp op{};
  op.n = args.Size(1);
  op.d = args.Size(2);
  op.eps = args.Number(3);
  op.x = args.Floats(0, op.n, op.d);
  op.grad_output = args.Floats(4, op.n, op.d);
  op.grad_x = args.Floats(5, op.n, op.d);
  args.CheckApart({5});
  return op;
}

void GradientSync(const Napi::CallbackInfo& info) {
  Expect(info.Env(), ImplementationOf(info).normalize_gradient(ReadGradient(GradientArgs(info)), nullptr));
}

Napi::Value GradientAsync(const Napi::CallbackInfo& info) {
  const Args args = GradientArgs(info);
  const NormalizeGradientOp op = ReadGradient(args);
  const auto run = ImplementationOf(info).normalize_gradient;
  return StartTask(args, "hypersphere.normalizeGradient", [op, run](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

}  // namespace

void ExportNormalize(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "normalize", NormalizeSync);
  ExportFor(who, exports, "normalizeAsync", NormalizeAsync);
  ExportFor(who, exports, "normalizeGradient", GradientSync);
  ExportFor(who, exports, "normalizeGradientAsync", GradientAsync);
}

}  // namespace hypersphere
