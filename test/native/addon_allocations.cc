// What a build with -Dfailing_allocations=1 exports besides, for test/sanitized/allocations.ts.
#include "../../native/napi/function.h"
#include "../../native/napi/ops.h"
#include "calls/allocations.h"

namespace hypersphere {

namespace {

// Reads its argument by Node-API alone: what the glue allocates for it must not be what fails.
void FailNext(const Napi::CallbackInfo& info) { test::FailAllocation(info[0].As<Napi::Number>().Int32Value()); }

// Whether it has failed since.
Napi::Value HasFailed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), test::Disarm() != test::Failed::kNothing); }

}  // namespace

void ExportAllocations(Napi::Env env, Napi::Object exports) {
  exports.Set("failAllocation", FunctionOf(env, FailNext, "failAllocation"));
  exports.Set("allocationFailed", FunctionOf(env, HasFailed, "allocationFailed"));
}

}  // namespace hypersphere
