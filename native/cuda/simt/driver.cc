// The stand-in as a driver: the functions of the CUDA driver that the addon asks for (driver.h), over host memory and the scheduler, with the
// kernels compiled from their own sources. HYPERSPHERE_CUDA_DRIVER names the library. HYPERSPHERE_SIMT_MEMORY is how
// many bytes there are, HYPERSPHERE_SIMT_FAIL the number of the launch that fails, the first being 1: what no kernel of ours should do, and
// HYPERSPHERE_SIMT_CAPABILITY the compute capability, 80 by default: modules for a later one do not load, nor those from HYPERSPHERE_SIMT_REFUSE on.
// HYPERSPHERE_SIMT_FULL, which may change from call to call, is the number of the allocation that finds no room, nor when it is asked for once
// more, counted from the first call that sees it. To the file that HYPERSPHERE_SIMT_LOG names goes a line for every copy: up or down, and its bytes.
// To the file that HYPERSPHERE_SIMT_LAUNCHES names goes, when the process ends, a line for every kernel: its name, its launches, and their threads.
#include <stdio.h>
#include <stdlib.h>

#include <tuple>
#include <utility>

#include "../ceilings/ceilings.cu"
#include "../driver.h"
#include "../kernels.inc"
#include "../kernels/fast_product.cu"
#include "memory.h"
#include "setting.h"

using hypersphere::cuda::Address;
using hypersphere::cuda::Result;
using hypersphere::simt::Index;
using hypersphere::simt::Setting;

namespace {

constexpr Result kInvalidValue = 1, kInvalidDevice = 101, kNoBinary = 209, kInvalidPtx = 218, kNotFound = 500, kLaunchFailed = 719;

struct Function {
  const char* name;
  const char* (*run)(const Index& grid, const Index& block, void** arguments);
  size_t launches = 0, threads = 0;
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

#define KERNEL(name) {#name, [](const Index& grid, const Index& block, void** arguments) { return Run(name, grid, block, arguments); }},
Function functions[] = {
#include "../ceilings/ceilings.def"
#include "../kernels.def"
};
Function fast_functions[] = {
#include "../fast_kernels.def"
};
#undef KERNEL

// A module has the functions of the PTX that was loaded: which that is its target tells.
struct Module {
  Function* functions;
  size_t count;
};
Module modules[] = {{functions, sizeof(functions) / sizeof(Function)}, {fast_functions, sizeof(fast_functions) / sizeof(Function)}};

// As on a device, where a kernel that failed leaves a context that does nothing more.
Result lost = 0;

int Capability() { return static_cast<int>(Setting("HYPERSPHERE_SIMT_CAPABILITY", 80)); }

bool Full() {
  static size_t wanted = 0, count = 0;
  const size_t now = Setting("HYPERSPHERE_SIMT_FULL", 0);
  if (now != wanted) count = 0;
  wanted = now;
  return wanted != 0 && (++count == wanted || count == wanted + 1);
}

void Log(const char* what, size_t bytes) {
  static FILE* const file = getenv("HYPERSPHERE_SIMT_LOG") == nullptr ? nullptr : fopen(getenv("HYPERSPHERE_SIMT_LOG"), "a");
  if (file == nullptr) return;
  fprintf(file, "%s %zu\n", what, bytes);
  fflush(file);
}

size_t Count(const Index& of) { return size_t{of.x} * of.y * of.z; }

struct AtTheEnd {
  ~AtTheEnd() {
    const char* const name = getenv("HYPERSPHERE_SIMT_LAUNCHES");
    FILE* const file = name == nullptr ? nullptr : fopen(name, "a");
    if (file == nullptr) return;
    for (const Module& module : modules) {
      for (size_t f = 0; f < module.count; f++) {
        const Function& function = module.functions[f];
        fprintf(file, "%s %zu %zu\n", function.name, function.launches, function.threads);
      }
    }
    fclose(file);
  }
} at_the_end;

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
  *value = attribute == 75 ? Capability() / 10 : Capability() % 10;
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
  void* const memory = Full() ? nullptr : hypersphere::simt::Allocate(bytes);
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
  Log("up", bytes);
  memcpy(Pointer(to), from, bytes);
  return lost;
}
EXPORT cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void*) {
  Log("down", bytes);
  if (lost == 0) memcpy(to, Pointer(from), bytes);
  return lost;
}
EXPORT cuModuleLoadData(void** module, const void* image) {
  constexpr char kTarget[] = ".target sm_";
  const char* const target = strstr(static_cast<const char*>(image), kTarget);
  if (target == nullptr) return kInvalidPtx;
  const int needed = atoi(target + sizeof(kTarget) - 1);
  if (needed > Capability() || static_cast<size_t>(needed) >= Setting("HYPERSPHERE_SIMT_REFUSE", SIZE_MAX)) return kNoBinary;
  *module = modules + (needed >= 80 ? 1 : 0);
  return 0;
}
EXPORT cuModuleGetFunction(void** function, void* module, const char* name) {
  const Module& of = *static_cast<const Module*>(module);
  for (size_t f = 0; f < of.count; f++) {
    if (strcmp(of.functions[f].name, name) != 0) continue;
    *function = of.functions + f;
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
  Function& kernel = *static_cast<Function*>(function);
  const Index grid{grid_x, grid_y, grid_z}, block{block_x, block_y, block_z};
  kernel.launches++;
  kernel.threads += Count(grid) * Count(block);
  const char* const failure = kernel.run(grid, block, arguments);
  if (failure == nullptr) return 0;
  fprintf(stderr, "%s: %s\n", kernel.name, failure);
  return lost = kLaunchFailed;
}
EXPORT cuGetErrorName(Result error, const char** name) {
  *name = error == 0               ? "CUDA_SUCCESS"
          : error == kLaunchFailed ? "CUDA_ERROR_LAUNCH_FAILED"
          : error == kNoBinary     ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                   : "CUDA_ERROR_OUT_OF_MEMORY";
  return 0;
}
