// What a GPU runs, too, says so to NVIDIA's compiler; clang has it from a pragma (cuda/device.h).
#pragma once

#if defined(__NVCC__)
#define HYPERSPHERE_HOST_DEVICE __host__ __device__
#else
#define HYPERSPHERE_HOST_DEVICE
#endif

// A function that stays one on a GPU, however many kernels call it: what they are is text in every binary (cuda/ptx.cc).
#if defined(__NVCC__)
#define HYPERSPHERE_ONCE __noinline__
#elif defined(__CUDA__)
#define HYPERSPHERE_ONCE __attribute__((noinline))
#else
#define HYPERSPHERE_ONCE
#endif
