// The NVIDIA driver's interface, as far as it is used, found at run time: the addon links nothing and loads everywhere. Prototypes are
// our own; names with _v2 are what the driver exports under NVIDIA's plain ones.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace hypersphere {
namespace cuda {

typedef int Result;  // 0 is success
typedef uint64_t Address;
constexpr Result kSuccess = 0, kErrorOutOfMemory = 2;

// DRIVER(name, arguments)
#define HYPERSPHERE_DRIVER_FUNCTIONS(DRIVER)                                                                                     \
  DRIVER(cuInit, (unsigned flags))                                                                                               \
  DRIVER(cuDriverGetVersion, (int* version))                                                                                     \
  DRIVER(cuDeviceGetCount, (int* count))                                                                                         \
  DRIVER(cuDeviceGet, (int* device, int ordinal))                                                                                \
  DRIVER(cuDeviceGetName, (char* name, int length, int device))                                                                  \
  DRIVER(cuDeviceGetAttribute, (int* value, int attribute, int device))                                                          \
  DRIVER(cuDevicePrimaryCtxRetain, (void** context, int device))                                                                 \
  DRIVER(cuCtxSetCurrent, (void* context))                                                                                       \
  DRIVER(cuStreamCreate, (void** stream, unsigned flags))                                                                        \
  DRIVER(cuStreamSynchronize, (void* stream))                                                                                    \
  DRIVER(cuStreamDestroy_v2, (void* stream))                                                                                     \
  DRIVER(cuEventCreate, (void** event, unsigned flags))                                                                          \
  DRIVER(cuEventDestroy_v2, (void* event))                                                                                       \
  DRIVER(cuEventRecord, (void* event, void* stream))                                                                             \
  DRIVER(cuEventSynchronize, (void* event))                                                                                      \
  DRIVER(cuMemHostAlloc, (void** memory, size_t bytes, unsigned flags))                                                          \
  DRIVER(cuMemFreeHost, (void* memory))                                                                                          \
  DRIVER(cuMemAlloc_v2, (Address * address, size_t bytes))                                                                       \
  DRIVER(cuMemFree_v2, (Address address))                                                                                        \
  DRIVER(cuMemGetInfo_v2, (size_t * free, size_t * total))                                                                       \
  DRIVER(cuMemcpyHtoDAsync_v2, (Address to, const void* from, size_t bytes, void* stream))                                       \
  DRIVER(cuMemcpyDtoHAsync_v2, (void* to, Address from, size_t bytes, void* stream))                                             \
  DRIVER(cuModuleLoadData, (void** module, const void* image))                                                                   \
  DRIVER(cuModuleGetFunction, (void** function, void* module, const char* name))                                                 \
  DRIVER(cuLaunchKernel, (void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, \
                          unsigned block_z, unsigned shared_bytes, void* stream, void** arguments, void** extra))                \
  DRIVER(cuGetErrorName, (Result error, const char** name))

struct Driver {
#define DRIVER(name, arguments) Result(*name) arguments = nullptr;
  HYPERSPHERE_DRIVER_FUNCTIONS(DRIVER)
#undef DRIVER
  // The stand-in's own, and null of a driver: so many bytes of an allocation are asked for, and not all that were allocated.
  Result (*hypersphere_simt_use)(Address address, size_t bytes) = nullptr;
};

// False with a reason where there is no driver, or one that lacks a function. HYPERSPHERE_CUDA_DRIVER names another library to open.
bool LoadDriver(Driver& driver, std::string& reason);

}  // namespace cuda
}  // namespace hypersphere
