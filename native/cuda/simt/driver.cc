// The stand-in as a driver: the functions of the CUDA driver that the addon asks for (driver.h), over host memory and the scheduler, with the
// kernels compiled from their own sources. HYPERSPHERE_CUDA_DRIVER names the library. HYPERSPHERE_SIMT_MEMORY is how many bytes of memory
// there are, and HYPERSPHERE_SIMT_FAIL the number of the launch that fails, the first being 1: what no kernel of ours should do.
#include <stdio.h>
#include <stdlib.h>

#include <tuple>
#include <utility>

#include "../ceilings/ceilings.cu"
#include "../driver.h"
#include "../kernels.inc"
#include "memory.h"
#include "setting.h"

using hypersphere::cuda::Address;
using hypersphere::cuda::Result;
using hypersphere::simt::Index;
using hypersphere::simt::Setting;

namespace {

constexpr Result kInvalidValue = 1, kInvalidDevice = 101, kNotFound = 500, kLaunchFailed = 719;

struct Function {
  const char* name;
  const char* (*run)(const Index& grid, const Index& block, void** arguments);
};

template <class... A>
struct Bound {
  void (*kernel)(A...);
  std::tuple<A...> arguments;
};

template <class... A, size_t... I>
const char* Run(void (*kernel)(A...), const Index& grid, const Index& block, void** arguments, std::index_sequence<I...>) {
  Bound<A...> bound{kernel, {*static_cast<A*>(arguments[I])...}};
  const auto body = [](void* data) {
    const Bound<A...>& of = *static_cast<Bound<A...>*>(data);
    of.kernel(std::get<I>(of.arguments)...);
  };
  return hypersphere::simt::Launch(grid, block, body, &bound);
}

template <class... A>
const char* Run(void (*kernel)(A...), const Index& grid, const Index& block, void** arguments) {
  return Run(kernel, grid, block, arguments, std::index_sequence_for<A...>{});
}

Function functions[] = {
#define KERNEL(name) {#name, [](const Index& grid, const Index& block, void** arguments) { return Run(name, grid, block, arguments); }},
#include "../ceilings/ceilings.def"
#include "../kernels.def"
#undef KERNEL
};

// As on a device, where a kernel that failed leaves a context that does nothing more.
Result lost = 0;

void* Pointer(Address address) { return reinterpret_cast<void*>(address); }

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) Result

EXPORT cuInit(unsigned) { return 0; }
EXPORT cuDriverGetVersion(int* version) {
  *version = 12000;
  return 0;
}
EXPORT cuDeviceGetCount(int* count) {
  *count = 1;
  return 0;
}
EXPORT cuDeviceGet(int* device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? 0 : kInvalidDevice;
}
EXPORT cuDeviceGetName(char* name, int length, int) {
  snprintf(name, static_cast<size_t>(length), "CPU stand-in");
  return 0;
}
EXPORT cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 75 ? 8 : 0;  // compute capability 8.0
  return 0;
}
EXPORT cuDevicePrimaryCtxRetain(void** context, int) {
  *context = functions;
  return 0;
}
EXPORT cuCtxSetCurrent(void*) { return 0; }
EXPORT cuStreamCreate(void** stream, unsigned) {
  *stream = functions;
  return 0;
}
EXPORT cuStreamSynchronize(void*) { return lost; }
EXPORT cuMemAlloc_v2(Address* address, size_t bytes) {
  if (lost != 0) return lost;
  void* const memory = hypersphere::simt::Allocate(bytes);
  *address = reinterpret_cast<Address>(memory);
  return memory == nullptr ? hypersphere::cuda::kErrorOutOfMemory : 0;
}
EXPORT hypersphere_simt_use(Address address, size_t bytes) { return hypersphere::simt::Use(Pointer(address), bytes) ? 0 : kInvalidValue; }
EXPORT cuMemFree_v2(Address address) { return hypersphere::simt::Release(Pointer(address)) ? 0 : kInvalidValue; }
EXPORT cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = hypersphere::simt::FreeBytes();
  *total = hypersphere::simt::TotalBytes();
  return 0;
}
EXPORT cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void*) {
  memcpy(Pointer(to), from, bytes);
  return lost;
}
EXPORT cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void*) {
  if (lost == 0) memcpy(to, Pointer(from), bytes);
  return lost;
}
EXPORT cuModuleLoadData(void** module, const void*) {
  *module = functions;
  return 0;
}
EXPORT cuModuleGetFunction(void** function, void*, const char* name) {
  for (Function& each : functions) {
    if (strcmp(each.name, name) != 0) continue;
    *function = &each;
    return 0;
  }
  return kNotFound;
}
EXPORT cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                      unsigned shared_bytes, void*, void** arguments, void**) {
  if (lost != 0) return lost;
  if (shared_bytes != 0) return kInvalidValue;  // kernels say themselves what they share
  static const size_t failing = Setting("HYPERSPHERE_SIMT_FAIL", 0);
  static size_t launches = 0;
  if (++launches == failing) {
    lost = kLaunchFailed;
    return 0;  // a device says so with what comes next
  }
  const char* const failure = static_cast<Function*>(function)->run({grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, arguments);
  if (failure == nullptr) return 0;
  fprintf(stderr, "%s: %s\n", static_cast<Function*>(function)->name, failure);
  return lost = kLaunchFailed;
}
EXPORT cuGetErrorName(Result error, const char** name) {
  *name = error == 0 ? "CUDA_SUCCESS" : error == kLaunchFailed ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_OUT_OF_MEMORY";
  return 0;
}
