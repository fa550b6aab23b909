// The stand-in as a driver: the functions of the CUDA driver that the addon asks for (driver.h), over host memory, late streams (streams.h) and the
// scheduler, with the kernels compiled from their own sources. HYPERSPHERE_CUDA_DRIVER names the library. HYPERSPHERE_SIMT_MEMORY is how
// many bytes there are, HYPERSPHERE_SIMT_PINNED how many may be page-locked, HYPERSPHERE_SIMT_STREAMS how many streams there may be.
// HYPERSPHERE_SIMT_FAIL is the number of the launch that fails, the first being 1: what no kernel of ours should do; HYPERSPHERE_SIMT_LOSE that of the
// call, among those that allocate, copy, launch and wait, at which the device is lost, and
// HYPERSPHERE_SIMT_CAPABILITY the compute capability, 80 by default: modules for a later one do not load, nor those from HYPERSPHERE_SIMT_REFUSE on.
// HYPERSPHERE_SIMT_FULL, which may change from call to call, is the number of the allocation that finds no room, nor when it is asked for once
// more, counted from the first call that sees it. To the file that HYPERSPHERE_SIMT_LOG names goes a line for every copy: up or down, and its bytes.
// To the file that HYPERSPHERE_SIMT_LAUNCHES names goes, when the process ends, a line for every kernel: its name, its launches, and their threads.
#include <stdio.h>
#include <stdlib.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "../ceilings/ceilings.cu"
#include "../driver.h"
#include "../kernels.inc"
#include "../kernels/fast_product.cu"
#include "memory.h"
#include "setting.h"
#include "streams.h"

using hypersphere::cuda::Address;
using hypersphere::cuda::Result;
using hypersphere::simt::Index;
using hypersphere::simt::Setting;

namespace {

constexpr Result kInvalidDevice = 101, kNoBinary = 209, kInvalidPtx = 218, kNotFound = 500;
using hypersphere::simt::kInvalidValue;
using hypersphere::simt::kLaunchFailed;
using hypersphere::simt::Lost;

// Of a size; null, or what was wrong.
using Launch = std::function<const char*(const Index& grid, const Index& block)>;

struct Function {
  const char* name;
  Launch (*bind)(void** arguments);  // which are copied: a launch runs later
  size_t launches = 0, threads = 0;
};

template <class... A>
struct Bound {
  void (*kernel)(A...);
  std::tuple<A...> arguments;
};

template <class... A, size_t... I>
Launch Bind(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  const Bound<A...> bound{kernel, {*static_cast<A*>(arguments[I])...}};
  return [bound](const Index& grid, const Index& block) {
    const auto body = [](void* data) {
      const Bound<A...>& of = *static_cast<Bound<A...>*>(data);
      of.kernel(std::get<I>(of.arguments)...);
    };
    Bound<A...> own = bound;
    return hypersphere::simt::Launch(grid, block, body, &own);
  };
}

template <class... A>
Launch Bind(void (*kernel)(A...), void** arguments) {
  return Bind(kernel, arguments, std::index_sequence_for<A...>{});
}

#define KERNEL(name) {#name, [](void** arguments) { return Bind(name, arguments); }},
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

// Whether the device is there, after a call that allocates, copies, launches or waits, of which one loses it.
Result Serve() {
  static const size_t losing = Setting("HYPERSPHERE_SIMT_LOSE", 0);
  static std::atomic<size_t> calls{0};
  return ++calls == losing ? hypersphere::simt::Lose(kLaunchFailed) : Lost();
}

size_t Count(const Index& of) { return size_t{of.x} * of.y * of.z; }

// One kernel at a time, whoever waits for it. As on a device, one that failed leaves a context that does nothing more.
void RunKernel(Function& function, const Launch& launch, const Index& grid, const Index& block) {
  static std::mutex one;
  const std::lock_guard<std::mutex> guard(one);
  static const size_t failing = Setting("HYPERSPHERE_SIMT_FAIL", 0);
  static size_t launches = 0;
  if (++launches == failing) {
    hypersphere::simt::Lose(kLaunchFailed);
    return;
  }
  function.launches++;
  function.threads += Count(grid) * Count(block);
  const char* const failure = launch(grid, block);
  if (failure == nullptr) return;
  fprintf(stderr, "%s: %s\n", function.name, failure);
  hypersphere::simt::Lose(kLaunchFailed);
}

int Capability() { return static_cast<int>(Setting("HYPERSPHERE_SIMT_CAPABILITY", 80)); }

bool Full() {
  static std::mutex lock;
  const std::lock_guard<std::mutex> guard(lock);
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
  if (Lost() != 0) return Lost();
  *stream = hypersphere::simt::CreateStream();
  return *stream == nullptr ? hypersphere::cuda::kErrorOutOfMemory : 0;
}
EXPORT cuStreamDestroy_v2(void* stream) { return hypersphere::simt::DestroyStream(stream); }
EXPORT cuStreamSynchronize(void* stream) { return Serve() != 0 ? Lost() : hypersphere::simt::Synchronize(stream); }
EXPORT cuEventCreate(void** event, unsigned) {
  *event = hypersphere::simt::CreateEvent();
  return Lost();
}
EXPORT cuEventDestroy_v2(void* event) { return hypersphere::simt::DestroyEvent(event); }
EXPORT cuEventRecord(void* event, void* stream) { return Serve() != 0 ? Lost() : hypersphere::simt::Record(event, stream); }
EXPORT cuEventSynchronize(void* event) { return Serve() != 0 ? Lost() : hypersphere::simt::WaitFor(event); }
EXPORT cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  if (Lost() != 0) return Lost();
  *memory = hypersphere::simt::Pin(bytes);
  return *memory == nullptr ? hypersphere::cuda::kErrorOutOfMemory : 0;
}
EXPORT cuMemFreeHost(void* memory) { return hypersphere::simt::Unpin(memory) ? Lost() : kInvalidValue; }
EXPORT cuMemAlloc_v2(Address* address, size_t bytes) {
  if (Serve() != 0) return Lost();
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
// From pageable memory a driver has copied the bytes when it returns, but not to where they belong; to pageable memory it returns when all is done.
EXPORT cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
  if (Serve() != 0) return Lost();
  Log("up", bytes);
  if (hypersphere::simt::IsPinned(from, bytes)) return hypersphere::simt::Queue(stream, [=] { memcpy(Pointer(to), from, bytes); });
  const char* const first = static_cast<const char*>(from);
  const std::vector<char> taken(first, first + bytes);
  return hypersphere::simt::Queue(stream, [to, taken] { memcpy(Pointer(to), taken.data(), taken.size()); });
}
EXPORT cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
  if (Serve() != 0) return Lost();
  Log("down", bytes);
  const Result queued = hypersphere::simt::Queue(stream, [=] { memcpy(to, Pointer(from), bytes); });
  return queued != 0 || hypersphere::simt::IsPinned(to, bytes) ? queued : hypersphere::simt::Synchronize(stream);
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
                      unsigned shared_bytes, void* stream, void** arguments, void**) {
  if (Serve() != 0) return Lost();
  if (shared_bytes != 0) return kInvalidValue;  // kernels say themselves what they share
  Function& of = *static_cast<Function*>(function);
  const Index grid{grid_x, grid_y, grid_z}, block{block_x, block_y, block_z};
  return hypersphere::simt::Queue(stream, [&of, launch = of.bind(arguments), grid, block] { RunKernel(of, launch, grid, block); });
}
EXPORT cuGetErrorName(Result error, const char** name) {
  *name = error == 0               ? "CUDA_SUCCESS"
          : error == kLaunchFailed ? "CUDA_ERROR_LAUNCH_FAILED"
          : error == kNoBinary     ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
          : error == kInvalidValue ? "CUDA_ERROR_INVALID_VALUE"
          : error == hypersphere::simt::kInvalidHandle ? "CUDA_ERROR_INVALID_HANDLE"
                                   : "CUDA_ERROR_OUT_OF_MEMORY";
  return 0;
}
