#include "driver.h"

#include <stdlib.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace hypersphere {
namespace cuda {
namespace {

#if defined(_WIN32)
constexpr const char* kLibrary = "nvcuda.dll";
void* Open(const char* name, std::string& reason) {
  void* const library = LoadLibraryA(name);
  if (library == nullptr) reason = std::string("no NVIDIA driver: ") + name + " does not load, error " + std::to_string(GetLastError());
  return library;
}
void* Find(void* library, const char* name) { return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name)); }
#else
constexpr const char* kLibrary = "libcuda.so.1";
void* Open(const char* name, std::string& reason) {
  void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) reason = std::string("no NVIDIA driver: ") + dlerror();
  return library;
}
void* Find(void* library, const char* name) { return dlsym(library, name); }
#endif

}  // namespace

bool LoadDriver(Driver& driver, std::string& reason) {
  const char* const chosen = getenv("HYPERSPHERE_CUDA_DRIVER");
  void* const library = Open(chosen != nullptr && *chosen != '\0' ? chosen : kLibrary, reason);
  if (library == nullptr) return false;
#define DRIVER(name, arguments)                                             \
  driver.name = reinterpret_cast<decltype(driver.name)>(Find(library, #name)); \
  if (driver.name == nullptr) {                                             \
    reason = "the NVIDIA driver is too old: it has no " #name;              \
    return false;                                                           \
  }
  HYPERSPHERE_DRIVER_FUNCTIONS(DRIVER)
#undef DRIVER
  driver.hypersphere_simt_use = reinterpret_cast<decltype(driver.hypersphere_simt_use)>(Find(library, "hypersphere_simt_use"));
  return true;
}

}  // namespace cuda
}  // namespace hypersphere
