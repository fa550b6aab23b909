#include "../ops/ops.h"
#include "args.h"
#include "ops.h"
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
  const Status status = Normalize(ReadNormalize(NormalizeArgs(info)), nullptr);
  if (status != Status::kOk) throw StatusFailure(info.Env(), status);
}

Napi::Value NormalizeAsync(const Napi::CallbackInfo& info) {
  const Args args = NormalizeArgs(info);
  const NormalizeOp op = ReadNormalize(args);
  return StartTask(args, "hypersphere.normalize", [op](const std::atomic<bool>* cancel) { return Normalize(op, cancel); });
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
  const Status status = NormalizeGradient(ReadGradient(GradientArgs(info)), nullptr);
  if (status != Status::kOk) throw StatusFailure(info.Env(), status);
}

Napi::Value GradientAsync(const Napi::CallbackInfo& info) {
  const Args args = GradientArgs(info);
  const NormalizeGradientOp op = ReadGradient(args);
  return StartTask(args, "hypersphere.normalizeGradient",
                   [op](const std::atomic<bool>* cancel) { return NormalizeGradient(op, cancel); });
}

}  // namespace

void ExportNormalize(Napi::Env env, Napi::Object exports) {
  exports.Set("normalize", Napi::Function::New(env, NormalizeSync, "normalize"));
  exports.Set("normalizeAsync", Napi::Function::New(env, NormalizeAsync, "normalizeAsync"));
  exports.Set("normalizeGradient", Napi::Function::New(env, GradientSync, "normalizeGradient"));
  exports.Set("normalizeGradientAsync", Napi::Function::New(env, GradientAsync, "normalizeGradientAsync"));
}

}  // namespace hypersphere
