// What JavaScript's own allocations lack, and what an op takes beside them.
#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "../ops/workspace.h"
#include "args.h"
#include "ops.h"

namespace hypersphere {

namespace {

// Asks the kernel for huge pages under the whole pages of a fresh Float32Array: first touching memory by pages of 4 KiB costs
// more than most results' arithmetic. A wish, so failure changes nothing; no other system has it.
void AdviseHuge(const Napi::CallbackInfo& info) {
  const Args args(info, {"data", "length"});
  const size_t length = args.Size(1);
  float* const data = args.Floats(0, length, 1);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  static const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t start = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data + length) / page * page;
  if (start < end) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#else
  (void)data;
#endif
}

// Bytes of scratch memory, the most at one time since this was last asked, for the bench.
Napi::Value WorkspacePeak(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Workspace::TakePeak()));
}

}  // namespace

void ExportMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("adviseHuge", Napi::Function::New(env, AdviseHuge, "adviseHuge"));
  exports.Set("workspacePeak", Napi::Function::New(env, WorkspacePeak, "workspacePeak"));
}

}  // namespace hypersphere
