// What JavaScript's own allocations lack, and what an op takes beside them.
#include "../ops/huge_pages.h"
#include "../ops/workspace.h"
#include "function.h"
#include "ops.h"

namespace hypersphere {

namespace {

void AdviseHugeArray(const Napi::CallbackInfo& info) {
  const Args args(info, {"data", "length"});
  const size_t length = args.Size(1);
  AdviseHuge(args.Floats(0, length, 1), length * sizeof(float));
}

// Bytes of scratch memory, the most at one time since this was last asked, for the bench.
Napi::Value WorkspacePeak(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Workspace::TakePeak()));
}

// Bytes outside the heap that the environment knows of, arrays and packed galleries; `process.memoryUsage()` has the arrays alone. For the soak.
Napi::Value ExternalMemory(const Napi::CallbackInfo& info) {
  int64_t total = 0;
  NAPI_THROW_IF_FAILED(info.Env(), napi_adjust_external_memory(info.Env(), 0, &total), Napi::Value());
  return Napi::Number::New(info.Env(), static_cast<double>(total));
}

}  // namespace

void ExportMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("adviseHuge", FunctionOf(env, AdviseHugeArray, "adviseHuge"));
  exports.Set("workspacePeak", FunctionOf(env, WorkspacePeak, "workspacePeak"));
  exports.Set("externalMemory", FunctionOf(env, ExternalMemory, "externalMemory"));
}

}  // namespace hypersphere
