#include "args.h"
#include "implementation.h"
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
  Expect(info.Env(), ImplementationOf(info).matmul(ReadMatmul(MatmulArgs(info)), nullptr));
}

Napi::Value MatmulAsync(const Napi::CallbackInfo& info) {
  const Args args = MatmulArgs(info);
  const MatmulOp op = ReadMatmul(args);
  const auto run = ImplementationOf(info).matmul;
  return StartTask(args, "hypersphere.matmul", [op, run](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

}  // namespace

void ExportMatmul(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "matmul", MatmulSync);
  ExportFor(who, exports, "matmulAsync", MatmulAsync);
}

}  // namespace hypersphere
