// What a device can do at most, for test/cuda/times.cc: a module of its own, which the addon does not have. A copy of 16 bytes a thread, side by
// side, for memory; eight chains of fused multiply-adds a thread, which do not wait for each other, for arithmetic.
#include "../device.h"

namespace hypersphere {

typedef uint32_t Quad __attribute__((vector_size(16)));
constexpr unsigned kChains = 8;

}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void copy_ceiling(const Quad* from, Quad* to, size_t count) {
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = from[i];
}

// Chain j starts at j and takes `steps` times x·factor + addend; their sum is stored, so that all of them are needed.
HYPERSPHERE_KERNEL void fma_ceiling(float factor, float addend, unsigned steps, float* out) {
  float chains[kChains];
#pragma clang loop unroll(full)
  for (unsigned j = 0; j < kChains; j++) chains[j] = static_cast<float>(j);
#pragma clang loop unroll_count(8)
  for (unsigned s = 0; s < steps; s++) {
#pragma clang loop unroll(full)
    for (unsigned j = 0; j < kChains; j++) chains[j] = __builtin_fmaf(chains[j], factor, addend);
  }
  float sum = 0;
#pragma clang loop unroll(full)
  for (unsigned j = 0; j < kChains; j++) sum += chains[j];
  out[static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x] = sum;
}
