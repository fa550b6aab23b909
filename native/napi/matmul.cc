#include "../ops/ops.h"
#include "args.h"
#include "ops.h"
#include "task.h"

namespace hypersphere {

namespace {

MatmulOp ReadMatmul(const Args& args) {
  MatmulOp op{};
  op.transpose_a = args.Flag(2);
  op.transpose_b = args.Flag(3);
  op.rows = args.Size(4);
  op.inner = args.Size(5);
  op.cols = args.Size(6);
  op.a = args.Floats(0, op.rows, op.inner);
  op.b = args.Floats(1, op.inner, op.cols);
  op.out = args.Floats(7, op.rows, op.cols);
  args.CheckApart({7});
  return op;
}

Args MatmulArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"a", "b", "transposeA", "transposeB", "rows", "inner", "cols", "out"});
}

void MatmulSync(const Napi::CallbackInfo& info) {
  const Status status = Matmul(ReadMatmul(MatmulArgs(info)), nullptr);
  if (status != Status::kOk) throw StatusFailure(info.Env(), status);
}

Napi::Value MatmulAsync(const Napi::CallbackInfo& info) {
  const Args args = MatmulArgs(info);
  const MatmulOp op = ReadMatmul(args);
  return StartTask(args, "hypersphere.matmul", [op](const std::atomic<bool>* cancel) { return Matmul(op, cancel); });
}

}  // namespace

void ExportMatmul(Napi::Env env, Napi::Object exports) {
  exports.Set("matmul", Napi::Function::New(env, MatmulSync, "matmul"));
  exports.Set("matmulAsync", Napi::Function::New(env, MatmulAsync, "matmulAsync"));
}

}  // namespace hypersphere
