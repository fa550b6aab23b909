// What JavaScript's own allocations lack.
#include "../ops/huge_pages.h"

#include "args.h"
#include "ops.h"

namespace hypersphere {

namespace {

void AdviseHugeArray(const Napi::CallbackInfo& info) {
  const Args args(info, {"data", "length"});
  const size_t length = args.Size(1);
  AdviseHuge(args.Floats(0, length, 1), length * sizeof(float));
}

}  // namespace

void ExportMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("adviseHuge", Napi::Function::New(env, AdviseHugeArray, "adviseHuge"));
}

}  // namespace hypersphere
