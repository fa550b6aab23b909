#include <memory>

#include "head_args.h"
#include "implementation.h"
#include "task.h"

namespace hypersphere {

namespace {

void HeadSync(const Napi::CallbackInfo& info) {
  const std::shared_ptr<HeadCall> head = ReadHead(HeadArgs(info), nullptr);
  Expect(info.Env(), ImplementationOf(info).margin_softmax(head->op, nullptr));
}

Napi::Value HeadAsync(const Napi::CallbackInfo& info) {
  const Args args = HeadArgs(info);
  const std::shared_ptr<HeadCall> head = ReadHead(args, nullptr);
  const auto run = ImplementationOf(info).margin_softmax;
  return StartTask(args, "hypersphere.marginSoftmax", [run, head](const std::atomic<bool>* cancel) { return run(head->op, cancel); });
}

}  // namespace

void ExportMarginSoftmax(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "marginSoftmax", HeadSync);
  ExportFor(who, exports, "marginSoftmaxAsync", HeadAsync);
}

}  // namespace hypersphere
