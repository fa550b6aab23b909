#include "args.h"
#include "implementation.h"

namespace hypersphere {

namespace {

// Loss and counts come back in a Float64Array of three elements.
void BatchTripletSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "labels", "n", "d", "memory", "memoryLabels", "m", "metric", "normalize", "mining", "margin", "seed", "soft",
                         "swap", "reduction", "result", "gradX"});
  constexpr Metric kMetrics[] = {Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity, Metric::kSnr};
  BatchTripletOp op{};
  op.n = args.Size(2);
  op.d = args.Size(3);
  op.m = args.Size(6);
  op.metric = kMetrics[args.Int(7, 0, 3)];
  op.normalize = args.Flag(8);
  op.mining = static_cast<Mining>(args.Int(9, 0, static_cast<int>(Mining::kFaceNetSemiHard)));
  op.margin = args.Number(10);
  op.seed = static_cast<uint32_t>(args.Size(11));
  op.soft = args.Flag(12);
  op.swap = args.Flag(13);
  op.reduction = static_cast<TermReduction>(args.Int(14, 0, 2));
  op.x = args.Floats(0, op.n, op.d);
  op.labels = args.Ints(1, op.n, 1);
  op.memory = args.Floats(4, op.m, op.d);
  op.memory_labels = args.Ints(5, op.m, 1);
  op.result = args.Doubles(15, 3);
  op.grad_x = args.OptionalFloats(16, op.n, op.d);
  args.CheckApart({15, 16});
  Expect(info.Env(), ImplementationOf(info).batch_triplet(op, nullptr));
}

}  // namespace

void ExportTriplet(const Implementation& who, Napi::Object exports) { ExportFor(who, exports, "batchTripletLoss", BatchTripletSync); }

}  // namespace hypersphere
