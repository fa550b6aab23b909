// Tensor cores, which the fast kernels alone use (compute capability 8.0 and later): two float32 rounded to a pair of bfloat16, and the product of
// two fragments of such pairs, which the 32 threads of a warp hold together. The layout is that of mma.m16n8k16 in NVIDIA's PTX ISA; with
// g = lane / 4 and t = lane % 4, and a pair being two steps of the depth side by side, the lower one in the lower half:
//   a[0…3]  rows g, g + 8, g, g + 8 of 16, steps 2t and 2t + 1, from step 8 on in a[2] and a[3]
//   b[0…1]  column g of 8, the same steps
//   c[0…3]  rows g, g, g + 8, g + 8, columns 2t, 2t + 1, 2t, 2t + 1
#pragma once

#include "device.h"

#if defined(__CUDA__) || defined(__NVCC__)

namespace hypersphere {
// To nearest, ties to even. The instruction's first operand becomes the upper half.
HYPERSPHERE_DEVICE uint32_t PairOf(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

HYPERSPHERE_DEVICE void MultiplyFragments(const uint32_t (&a)[4], const uint32_t (&b)[2], float (&c)[4]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
}  // namespace hypersphere

#else
#include "simt/tensor.h"
#endif
