// What a GPU runs, too, says so to NVIDIA's compiler; clang has it from a pragma (cuda/device.h).
#pragma once

#if defined(__NVCC__)
#define HYPERSPHERE_HOST_DEVICE __host__ __device__
#else
#define HYPERSPHERE_HOST_DEVICE
#endif
