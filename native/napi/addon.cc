// The addon's own exports. Level and threads belong to the process; tasks to the environment that started them.
#include <atomic>

#include "../cpu.h"
#include "../threads/pool.h"
#include "function.h"
#include "ops.h"
#include "task.h"

namespace hypersphere {

namespace {

Napi::Value Info(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("isa", LevelName(CurrentLevel()));
  result.Set("threads", Threads());
  return result;
}

// False for a level that this CPU or this build does not have.
Napi::Value SetIsa(const Napi::CallbackInfo& info) {
  const std::string wanted = Args(info, {"isa"}).Text(0);
  for (const Level level : {Level::kBaseline, Level::kAvx2, Level::kAvx512, Level::kNeon}) {
    if (wanted == LevelName(level)) return Napi::Boolean::New(info.Env(), SetLevel(level));
  }
  return Napi::Boolean::New(info.Env(), false);
}

// run() at one level, for an op that is made of several calls. Ours is the frame that ends however a program is stopped inside of it.
Napi::Value AtOneLevel(const Napi::CallbackInfo& info) {
  const KeptLevel kept;
  napi_value result = nullptr;
  // What it throws is pending, and stays so.
  const napi_status status = napi_call_function(info.Env(), info.This(), info[0], 0, nullptr, &result);
  if (status != napi_ok && status != napi_pending_exception) throw Napi::Error::New(info.Env());
  return Napi::Value(info.Env(), result);
}

void SetThreadCount(const Napi::CallbackInfo& info) { SetThreads(Args(info, {"threads"}).Int(0, 1, kMostThreads)); }

void CancelOwnTasks(const Napi::CallbackInfo& info) { CancelTasks(info.Env()); }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  // Only the first environment of the process applies HYPERSPHERE_ISA and HYPERSPHERE_THREADS: a worker that loads the
  // addon later must not undo what the main thread has set since.
  static std::atomic<bool> loaded{false};
  InitTasks(env);
  exports.Set("first", !loaded.exchange(true));
  exports.Set("info", FunctionOf(env, Info, "info"));
  exports.Set("setIsa", FunctionOf(env, SetIsa, "setIsa"));
  exports.Set("atOneLevel", FunctionOf(env, AtOneLevel, "atOneLevel"));
  exports.Set("setThreads", FunctionOf(env, SetThreadCount, "setThreads"));
  exports.Set("cancelTasks", FunctionOf(env, CancelOwnTasks, "cancelTasks"));
  // Changes with the arguments that cross; lib/native/loader.cts takes no other.
  exports.Set("abi", Napi::Number::New(env, 7));
  ExportShared(env, exports);
  ExportRanks(env, exports);
  ExportMining(env, exports);
  ExportMemory(env, exports);
  ExportBfloat16(env, exports);
  ExportHardmax(env, exports);
  ExportMpi(env, exports);
#ifdef HYPERSPHERE_FAILING_ALLOCATIONS
  ExportAllocations(env, exports);
#endif
  return exports;
}

}  // namespace

}  // namespace hypersphere

static Napi::Object InitHypersphere(Napi::Env env, Napi::Object exports) { return hypersphere::Init(env, exports); }

NODE_API_MODULE(hypersphere, InitHypersphere)
