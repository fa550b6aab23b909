#include <memory>
#include <utility>
#include <vector>

#include "args.h"
#include "implementation.h"
#include "ops.h"
#include "task.h"

namespace hypersphere {

namespace {

Args SoftmaxArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"logits", "gradOutput", "n", "classes", "temperature", "out"});
}

SoftmaxOp ReadSoftmax(const Args& args) {
  SoftmaxOp op{};
  op.n = args.Size(2);
  op.classes = args.Size(3);
  op.temperature = args.Number(4);
  op.logits = args.Floats(0, op.n, op.classes);
  op.grad_output = args.OptionalFloats(1, op.n, op.classes);
  op.out = args.Floats(5, op.n, op.classes);
  args.CheckApart({5});
  return op;
}

void SoftmaxSync(const Napi::CallbackInfo& info) {
  Expect(info.Env(), ImplementationOf(info).softmax(ReadSoftmax(SoftmaxArgs(info)), nullptr));
}

// The loss comes back in a Float64Array of one element, so that the asynchronous form has a place for it too.
Args LossArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"logits", "labels", "classWeights", "gradOutput", "n", "classes", "reduction", "labelSmoothing", "ignoreIndex", "loss",
                     "perExample", "gradLogits"});
}

using Labels = std::vector<int32_t>;

// The op points into `labels`, which must outlive it.
CrossEntropyOp ReadLoss(const Args& args, Labels& labels) {
  CrossEntropyOp op{};
  op.n = args.Size(4);
  op.classes = args.Size(5);
  op.reduction = static_cast<Reduction>(args.Int(6, 0, 2));
  op.label_smoothing = args.Number(7);
  op.logits = args.Floats(0, op.n, op.classes);
  op.class_weights = args.OptionalFloats(2, op.classes, 1);
  op.grad_output = args.OptionalFloats(3, op.n, 1);
  op.loss = args.Doubles(9, 1);
  op.per_example = args.Floats(10, op.n, 1);
  op.grad_logits = args.OptionalFloats(11, op.n, op.classes);
  args.CheckApart({9, 10, 11});
  labels = args.LabelsOrNone(1, op.n, op.classes, args.Number(8), false);
  op.labels = labels.data();
  return op;
}

void LossSync(const Napi::CallbackInfo& info) {
  Labels labels;
  Expect(info.Env(), ImplementationOf(info).cross_entropy(ReadLoss(LossArgs(info), labels), nullptr));
}

Napi::Value LossAsync(const Napi::CallbackInfo& info) {
  const Args args = LossArgs(info);
  const auto labels = std::make_shared<Labels>();
  const CrossEntropyOp op = ReadLoss(args, *labels);
  const auto run = ImplementationOf(info).cross_entropy;
  return StartTask(args, "hypersphere.softmaxCrossEntropy", [run, op, labels](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

void HardmaxSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"logits", "n", "classes", "out"});
  HardmaxOp op{};
  op.n = args.Size(1);
  op.classes = args.Size(2);
  op.logits = args.Floats(0, op.n, op.classes);
  op.out = args.Floats(3, op.n, op.classes);
  args.CheckApart({3});
  Expect(info.Env(), Hardmax(op, nullptr));
}

void HardmaxLossSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"logits", "labels", "n", "classes", "hinge", "margin", "reduction", "loss", "perExample", "gradLogits"});
  HardmaxLossOp op{};
  op.n = args.Size(2);
  op.classes = args.Size(3);
  op.hinge = args.Flag(4);
  op.margin = args.Number(5);
  op.reduction = static_cast<Reduction>(args.Int(6, 0, 2));
  op.logits = args.Floats(0, op.n, op.classes);
  op.loss = args.Doubles(7, 1);
  op.per_example = args.Floats(8, op.n, 1);
  op.grad_logits = args.OptionalFloats(9, op.n, op.classes);
  args.CheckApart({7, 8, 9});
  const Labels labels = args.Labels(1, op.n, op.classes);
  op.labels = labels.data();
  Expect(info.Env(), HardmaxLoss(op, nullptr));
}

}  // namespace

void ExportHardmax(Napi::Env env, Napi::Object exports) {
  exports.Set("hardmax", FunctionOf(env, HardmaxSync, "hardmax"));
  exports.Set("hardmaxLoss", FunctionOf(env, HardmaxLossSync, "hardmaxLoss"));
}

void ExportSoftmax(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "softmax", SoftmaxSync);
  ExportFor(who, exports, "softmaxCrossEntropy", LossSync);
  ExportFor(who, exports, "softmaxCrossEntropyAsync", LossAsync);
}

}  // namespace hypersphere
