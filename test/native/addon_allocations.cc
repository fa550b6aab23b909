// What a build with -Dfailing_allocations=1 exports besides, for test/sanitized/failures.ts.
#include "../../native/napi/function.h"
#include "../../native/napi/ops.h"
#include "calls/allocations.h"
#include "failing_node_api.h"

namespace hypersphere {

namespace {

// Reads its argument by Node-API alone: what the glue allocates for it must not be what fails.
void FailNext(const Napi::CallbackInfo& info) { test::FailAllocation(info[0].As<Napi::Number>().Int32Value()); }

// Whether it has failed since.
Napi::Value HasFailed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), test::Disarm() != test::Failed::kNothing); }

void FailNextCall(const Napi::CallbackInfo& info) { test::FailNodeApi(info[0].As<Napi::Number>().Int32Value()); }
Napi::Value HasCallFailed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), test::DisarmNodeApi()); }

}  // namespace

void ExportAllocations(Napi::Env env, Napi::Object exports) {
  exports.Set("failAllocation", FunctionOf(env, FailNext, "failAllocation"));
  exports.Set("allocationFailed", FunctionOf(env, HasFailed, "allocationFailed"));
  exports.Set("failNodeApi", FunctionOf(env, FailNextCall, "failNodeApi"));
  exports.Set("nodeApiFailed", FunctionOf(env, HasCallFailed, "nodeApiFailed"));
}

}  // namespace hypersphere
