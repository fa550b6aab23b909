#include <cstdint>
#include <vector>

#include "args.h"
#include "implementation.h"

namespace hypersphere {

namespace {

// One function for the family: the loss, its options in the order of its file, its outputs. The loss comes back in a Float64Array of one.
void BatchLossSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"kind", "x", "labels", "n", "d", "memory", "memoryLabels", "m", "metric", "normalize", "reduction", "numbers",
                         "loss", "perExample", "gradX", "beta", "betas", "gradBeta"});
  constexpr Metric kMetrics[] = {Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity, Metric::kSnr};
  BatchLossOp op{};
  op.kind = static_cast<BatchLossKind>(args.Int(0, 0, static_cast<int>(BatchLossKind::kHistogram)));
  op.n = args.Size(3);
  op.d = args.Size(4);
  op.m = args.Size(7);
  op.metric = kMetrics[args.Int(8, 0, 3)];
  op.normalize = args.Flag(9);
  op.reduction = static_cast<TermReduction>(args.Int(10, 0, 2));
  const double* const numbers = args.Doubles(11, kMostLossNumbers);
  for (size_t i = 0; i < kMostLossNumbers; i++) op.numbers[i] = numbers[i];
  op.x = args.Floats(1, op.n, op.d);
  op.labels = args.Ints(2, op.n, 1);
  op.memory = args.Floats(5, op.m, op.d);
  op.memory_labels = args.Ints(6, op.m, 1);
  op.loss = args.Doubles(12, 1);
  op.per_example = args.OptionalFloats(13, op.n, 1);
  op.grad_x = args.OptionalFloats(14, op.n, op.d);
  const bool bounded = op.kind == BatchLossKind::kMargin;
  op.betas = static_cast<size_t>(args.Int(16, bounded ? 1 : 0, INT32_MAX));
  op.beta = bounded ? args.Floats(15, op.betas, 1) : nullptr;
  op.grad_beta = args.OptionalFloats(17, op.betas, 1);
  args.CheckApart({12, 13, 14, 17});
  std::vector<int32_t> checked;
  if (op.betas > 1) {
    checked = args.Labels(2, op.n, op.betas);
    op.labels = checked.data();
  }
  Expect(info.Env(), ImplementationOf(info).batch_loss(op, nullptr));
}

}  // namespace

void ExportBatchLosses(const Implementation& who, Napi::Object exports) { ExportFor(who, exports, "batchLoss", BatchLossSync); }

}  // namespace hypersphere
