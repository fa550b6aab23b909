#include "../cuda/context.h"
#include "implementation.h"
#include "ops.h"

namespace hypersphere {

namespace {

// The first call opens the driver, for the whole process. { name, driver, fast } of the device, or { reason } why there is none.
Napi::Value DeviceInfo(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  const cuda::Context* const context = cuda::Context::Get();
  const std::string reason = cuda::Context::Reason();
  if (context != nullptr && reason.empty()) {
    result.Set("name", context->Name());
    result.Set("driver", context->DriverVersion());
    result.Set("fast", context->HasFast());
  } else {
    result.Set("reason", reason);
  }
  return result;
}

void Release(const Napi::CallbackInfo&) { cuda::Context::ReleaseHeld(); }

void ExportOps(const Implementation& who, Napi::Object exports) {
  ExportMatmul(who, exports);
  ExportDistances(who, exports);
  ExportNormalize(who, exports);
  ExportNearest(who, exports);
  ExportCenters(who, exports);
  ExportSoftmax(who, exports);
  ExportMarginSoftmax(who, exports);
  ExportTriplet(who, exports);
  ExportBatchLosses(who, exports);
  ExportGivenRows(who, exports);
  ExportProxyAnchor(who, exports);
}

}  // namespace

void ExportShared(Napi::Env env, Napi::Object exports) {
  ExportOps(kCpu, exports);
  Napi::Object device = Napi::Object::New(env);
  device.Set("info", FunctionOf(env, DeviceInfo, "info"));
  device.Set("release", FunctionOf(env, Release, "release"));
  ExportOps(kDevice, device);
  ExportResident(device);
  Napi::Object fast = Napi::Object::New(env);
  ExportOps(kFastDevice, fast);
  device.Set("fast", fast);
  exports.Set("cuda", device);
}

}  // namespace hypersphere
