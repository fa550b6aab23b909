// What works on logits that are given.
#include "../../../native/ops/ops.h"
#include "call.h"

namespace hypersphere::test {
namespace {

struct Shape {
  size_t n, classes;
};

Shape ShapeOf(Source& from) {
  Shape shape{};
  shape.classes = from.Byte() % 16 == 15 ? from.Size(1, 1500) : from.Length(1, 800);
  shape.n = from.Length(0, 40000 / shape.classes < 300 ? 40000 / shape.classes : 300);
  return shape;
}

void BuildSoftmax(Call& call, int gradient) {
  SoftmaxOp op{};
  const auto [n, classes] = ShapeOf(call.source);
  op.n = n;
  op.classes = classes;
  op.temperature = call.source.Number(1e-300, 1e300);
  op.logits = call.Rows(n, classes);
  op.grad_output = gradient != 0 ? call.Rows(n, classes) : nullptr;
  op.out = call.Result<float>(n * classes);
  call.run = [op](const std::atomic<bool>* cancel) { return Softmax(op, cancel); };
}

// Finite and at least 0, as lib/losses/classification.ts checks them.
const float* ClassWeights(Call& call, size_t classes) {
  if (!call.source.Flag()) return nullptr;
  std::vector<float> weights(classes);
  for (float& weight : weights) weight = static_cast<float>(call.source.Number(0, 1e38));
  return call.Given(weights);
}

void BuildCrossEntropy(Call& call, int) {
  Source& from = call.source;
  CrossEntropyOp op{};
  const auto [n, classes] = ShapeOf(from);
  op.n = n;
  op.classes = classes;
  op.reduction = from.Of({Reduction::kMean, Reduction::kSum, Reduction::kNone});
  op.label_smoothing = from.Flag() ? from.Number(0, 1) : 0;
  op.logits = call.Rows(n, classes);
  op.labels = call.ClassLabels(n, classes, {kIgnored});
  op.class_weights = ClassWeights(call, classes);
  op.grad_output = op.reduction == Reduction::kNone ? call.OptionalRows(n, 1) : nullptr;
  op.per_example = call.Result<float>(n);
  op.grad_logits = call.OptionalResult(n * classes);
  op.loss = call.Result<double>(1);
  call.run = [op](const std::atomic<bool>* cancel) { return CrossEntropy(op, cancel); };
}

void BuildHardmax(Call& call, int) {
  HardmaxOp op{};
  const auto [n, classes] = ShapeOf(call.source);
  op.n = n;
  op.classes = classes;
  op.logits = call.Rows(n, classes);
  op.out = call.Result<float>(n * classes);
  call.run = [op](const std::atomic<bool>* cancel) { return Hardmax(op, cancel); };
}

void BuildHardmaxLoss(Call& call, int) {
  Source& from = call.source;
  HardmaxLossOp op{};
  const auto [n, classes] = ShapeOf(from);
  op.n = n;
  op.classes = classes;
  op.hinge = from.Flag();
  op.margin = from.Number(0, 1e300);
  op.reduction = from.Of({Reduction::kMean, Reduction::kSum, Reduction::kNone});
  op.logits = call.Rows(n, classes);
  op.labels = call.ClassLabels(n, classes);
  op.per_example = call.Result<float>(n);
  op.grad_logits = call.OptionalResult(n * classes);
  op.loss = call.Result<double>(1);
  call.run = [op](const std::atomic<bool>* cancel) { return HardmaxLoss(op, cancel); };
}

}  // namespace

Group SoftmaxCalls() {
  return {"softmax",
          {{"softmax", BuildSoftmax, 0},
           {"softmaxGradient", BuildSoftmax, 1},
           {"crossEntropy", BuildCrossEntropy, 0},
           {"hardmax", BuildHardmax, 0},
           {"hardmaxLoss", BuildHardmaxLoss, 0}}};
}

}  // namespace hypersphere::test
