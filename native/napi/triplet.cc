#include "../ops/ops.h"
#include "args.h"
#include "ops.h"

namespace hypersphere {

namespace {

// Loss and counts come back in a Float64Array of three elements.
void BatchTripletSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "labels", "n", "d", "metric", "normalize", "mining", "margin", "soft", "swap", "reduction", "result",
                         "gradX"});
  constexpr Metric kMetrics[] = {Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity};
  BatchTripletOp op{};
  op.n = args.Size(2);
  op.d = args.Size(3);
  op.metric = kMetrics[args.Int(4, 0, 2)];
  op.normalize = args.Flag(5);
  op.mining = static_cast<Mining>(args.Int(6, 0, static_cast<int>(Mining::kHardestViolating)));
  op.margin = args.Number(7);
  op.soft = args.Flag(8);
  op.swap = args.Flag(9);
  op.reduction = static_cast<TermReduction>(args.Int(10, 0, 2));
  op.x = args.Floats(0, op.n, op.d);
  op.labels = args.Ints(1, op.n, 1);
  op.result = args.Doubles(11, 3);
  op.grad_x = args.OptionalFloats(12, op.n, op.d);
  args.CheckApart({11, 12});
  const Status status = BatchTriplet(op, nullptr);
  if (status != Status::kOk) throw StatusFailure(info.Env(), status);
}

}  // namespace

void ExportTriplet(Napi::Env env, Napi::Object exports) {
  exports.Set("batchTripletLoss", Napi::Function::New(env, BatchTripletSync, "batchTripletLoss"));
}

}  // namespace hypersphere
