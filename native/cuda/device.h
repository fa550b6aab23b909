// What a kernel source includes: the few words of CUDA it is written in, without NVIDIA's headers. Clang compiles the sources to PTX
// (scripts/build-ptx.mjs); a C++ compiler builds them for the stand-in, where simt/simt.h has the same words. NVIDIA's compiler takes them, too: it
// makes nothing that is shipped, but its opinion of them is asked (scripts/check-nvcc.mjs).
//
// A group of 16 threads is one vector of 16 lanes: with HYPERSPHERE_LEVEL_CUDA simd/vec.h takes its vector type from lanes.h, and the row
// kernels of native/kernels are the GPU's too. What they compute is then equal to the CPU's to the bit because it is the same source.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HYPERSPHERE_LEVEL_CUDA

#if defined(__CUDA__) && defined(__clang__)

#include <__clang_cuda_builtin_vars.h>

#define HYPERSPHERE_KERNEL extern "C" __attribute__((global, launch_bounds(256)))
// With room for so many blocks on a processor: ptxas spills registers to fit one more otherwise.
#define HYPERSPHERE_KERNEL_BLOCKS(blocks) extern "C" __attribute__((global, launch_bounds(256, blocks)))
#define HYPERSPHERE_DEVICE __attribute__((device)) inline
#define SHARED_ARRAY(T, name, count) static __attribute__((shared)) T name[count]
#define SyncThreads() __syncthreads()
#define SyncWarp(mask) __nvvm_bar_warp_sync(mask)

namespace hypersphere {
// Of 32-bit values. The last argument of the builtins: no segments, lanes up to 31.
HYPERSPHERE_DEVICE float ShuffleXor(uint32_t mask, float v, int x) { return __nvvm_shfl_sync_bfly_f32(mask, v, x, 0x1f); }
HYPERSPHERE_DEVICE int ShuffleXor(uint32_t mask, int v, int x) { return __nvvm_shfl_sync_bfly_i32(mask, v, x, 0x1f); }
HYPERSPHERE_DEVICE float Shuffle(uint32_t mask, float v, int lane) { return __nvvm_shfl_sync_idx_f32(mask, v, lane, 0x1f); }
HYPERSPHERE_DEVICE double Shuffle(uint32_t mask, double v, int lane) {
  int halves[2];
  __builtin_memcpy(halves, &v, sizeof(v));
  for (int& half : halves) half = __nvvm_shfl_sync_idx_i32(mask, half, lane, 0x1f);
  __builtin_memcpy(&v, halves, sizeof(v));
  return v;
}
HYPERSPHERE_DEVICE uint64_t ShuffleXor(uint32_t mask, uint64_t v, int x) {
  int halves[2];
  __builtin_memcpy(halves, &v, sizeof(v));
  for (int& half : halves) half = __nvvm_shfl_sync_bfly_i32(mask, half, x, 0x1f);
  __builtin_memcpy(&v, halves, sizeof(v));
  return v;
}
HYPERSPHERE_DEVICE void AtomicLeast(uint64_t* at, uint64_t value) { __nvvm_atom_min_gen_ull(reinterpret_cast<unsigned long long*>(at), value); }
// Of counts alone: their sum does not depend on the order. What was there before does.
HYPERSPHERE_DEVICE unsigned AtomicAdd(unsigned* at, unsigned by) { return __atomic_fetch_add(at, by, __ATOMIC_RELAXED); }
HYPERSPHERE_DEVICE uint32_t Ballot(uint32_t mask, bool predicate) { return __nvvm_vote_ballot_sync(mask, predicate); }
HYPERSPHERE_DEVICE unsigned LowestBit(uint32_t bits) { return static_cast<unsigned>(__builtin_ctz(bits)); }
HYPERSPHERE_DEVICE unsigned LowestBit(uint64_t bits) { return static_cast<unsigned>(__builtin_ctzll(bits)); }
}  // namespace hypersphere

// Code that host and device share is written without a word about either.
#define HYPERSPHERE_SHARED_CODE_BEGIN _Pragma("clang force_cuda_host_device begin")
#define HYPERSPHERE_SHARED_CODE_END _Pragma("clang force_cuda_host_device end")

#elif defined(__NVCC__)

#define HYPERSPHERE_KERNEL extern "C" __global__ __launch_bounds__(256)
#define HYPERSPHERE_KERNEL_BLOCKS(blocks) extern "C" __global__ __launch_bounds__(256, blocks)
#define HYPERSPHERE_DEVICE __device__ inline
#define SHARED_ARRAY(T, name, count) __shared__ T name[count]
#define SyncThreads() __syncthreads()
#define SyncWarp(mask) __syncwarp(mask)

namespace hypersphere {
HYPERSPHERE_DEVICE float ShuffleXor(uint32_t mask, float v, int x) { return __shfl_xor_sync(mask, v, x); }
HYPERSPHERE_DEVICE int ShuffleXor(uint32_t mask, int v, int x) { return __shfl_xor_sync(mask, v, x); }
HYPERSPHERE_DEVICE uint64_t ShuffleXor(uint32_t mask, uint64_t v, int x) { return __shfl_xor_sync(mask, static_cast<unsigned long long>(v), x); }
HYPERSPHERE_DEVICE float Shuffle(uint32_t mask, float v, int lane) { return __shfl_sync(mask, v, lane); }
HYPERSPHERE_DEVICE double Shuffle(uint32_t mask, double v, int lane) { return __shfl_sync(mask, v, lane); }
HYPERSPHERE_DEVICE void AtomicLeast(uint64_t* at, uint64_t value) { atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value)); }
HYPERSPHERE_DEVICE unsigned AtomicAdd(unsigned* at, unsigned by) { return atomicAdd(at, by); }
HYPERSPHERE_DEVICE uint32_t Ballot(uint32_t mask, bool predicate) { return __ballot_sync(mask, predicate); }
HYPERSPHERE_DEVICE unsigned LowestBit(uint32_t bits) { return static_cast<unsigned>(__ffs(static_cast<int>(bits)) - 1); }
HYPERSPHERE_DEVICE unsigned LowestBit(uint64_t bits) { return static_cast<unsigned>(__ffsll(static_cast<long long>(bits)) - 1); }
}  // namespace hypersphere

#define HYPERSPHERE_SHARED_CODE_BEGIN
#define HYPERSPHERE_SHARED_CODE_END

#else

#include "simt/simt.h"
#define HYPERSPHERE_SHARED_CODE_BEGIN
#define HYPERSPHERE_SHARED_CODE_END

#endif
