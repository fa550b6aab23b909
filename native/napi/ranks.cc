#include "../ops/ops.h"
#include "function.h"
#include "ops.h"

namespace hypersphere {

namespace {

void RelevantRanksSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"values", "n", "m", "descending", "rows", "from", "to", "own", "ranks", "total"});
  RanksOp op{};
  op.n = args.Size(1);
  op.m = args.Size(2);
  op.values = args.Floats(0, op.n, op.m);
  op.descending = args.Flag(3);
  // lib/metrics/retrieval.ts made these three itself, of rows and classes that it counted; nobody else can reach them.
  op.rows = args.Ints(4, op.m, 1);
  op.from = args.Ints(5, op.n, 1);
  op.to = args.Ints(6, op.n, 1);
  op.own = static_cast<int64_t>(args.Number(7));
  op.ranks = args.Ints(8, args.Size(9), 1);
  args.CheckApart({0, 8});
  Expect(info.Env(), RelevantRanks(op, nullptr));
}

}  // namespace

void ExportRanks(Napi::Env env, Napi::Object exports) {
  exports.Set("relevantRanks", FunctionOf(env, RelevantRanksSync, "relevantRanks"));
}

}  // namespace hypersphere
