#include "keep_loaded.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace hypersphere {

void KeepLoaded() {
#if defined(_WIN32)
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, reinterpret_cast<LPCWSTR>(&KeepLoaded), &self);
#elif defined(__APPLE__)
  // A handle that is never closed.
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&KeepLoaded), &self) != 0) dlopen(self.dli_fname, RTLD_LAZY);
#endif
}

}  // namespace hypersphere
