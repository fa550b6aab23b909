#include <memory>
#include <utility>

#include "args.h"
#include "implementation.h"
#include "task.h"

namespace hypersphere {

namespace {

// The loss comes back in a Float64Array of one element, so that the asynchronous form has a place for it too.
Args LossArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"x", "labels", "centers", "n", "d", "classes", "scale", "loss", "perExample", "gradX", "gradCenters"});
}

using Labels = std::vector<int32_t>;

// The op points into `labels`, which must outlive it.
CenterLossOp ReadLoss(const Args& args, Labels& labels) {
  CenterLossOp op{};
  op.n = args.Size(3);
  op.d = args.Size(4);
  op.classes = args.Size(5);
  op.scale = args.Number(6);
  op.x = args.Floats(0, op.n, op.d);
  op.centers = args.Floats(2, op.classes, op.d);
  op.loss = args.Doubles(7, 1);
  op.per_example = args.Floats(8, op.n, 1);
  op.grad_x = args.OptionalFloats(9, op.n, op.d);
  op.grad_centers = args.OptionalFloats(10, op.classes, op.d);
  args.CheckApart({7, 8, 9, 10});
  labels = args.Labels(1, op.n, op.classes);
  op.labels = labels.data();
  return op;
}

void LossSync(const Napi::CallbackInfo& info) {
  Labels labels;
  Expect(info.Env(), ImplementationOf(info).center_loss(ReadLoss(LossArgs(info), labels), nullptr));
}

Napi::Value LossAsync(const Napi::CallbackInfo& info) {
  const Args args = LossArgs(info);
  const auto labels = std::make_shared<Labels>();
  const CenterLossOp op = ReadLoss(args, *labels);
  const auto run = ImplementationOf(info).center_loss;
  return StartTask(args, "hypersphere.centerLoss", [run, op, labels](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

void UpdateSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "labels", "centers", "n", "d", "classes", "alpha"});
  UpdateCentersOp op{};
  op.n = args.Size(3);
  op.d = args.Size(4);
  op.classes = args.Size(5);
  op.alpha = args.Number(6);
  op.x = args.Floats(0, op.n, op.d);
  op.centers = args.Floats(2, op.classes, op.d);
  args.CheckApart({2});
  const Labels labels = args.Labels(1, op.n, op.classes);
  op.labels = labels.data();
  Expect(info.Env(), ImplementationOf(info).update_centers(op, nullptr));
}

}  // namespace

void ExportCenters(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "centerLoss", LossSync);
  ExportFor(who, exports, "centerLossAsync", LossAsync);
  ExportFor(who, exports, "updateCenters", UpdateSync);
}

}  // namespace hypersphere
