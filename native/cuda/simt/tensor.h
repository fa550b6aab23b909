// The words of tensor.h for the stand-in: a warp's threads meet, hand over their fragments, and each computes the outputs that the documented layout
// gives it from what the lanes of that layout have brought. A lane that does not come, or comes to another product, is reported.
#pragma once

#include "simt.h"

// Numbered, so that products of two branches are told apart.
#define MultiplyFragments(a, b, c) ::hypersphere::simt::MultiplyFragmentsAt(__COUNTER__, a, b, c)

namespace hypersphere {

inline uint32_t Bfloat16Of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  if (x != x) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline uint32_t PairOf(float low, float high) { return Bfloat16Of(high) << 16 | Bfloat16Of(low); }

namespace simt {

inline float HalfOfPair(uint32_t pair, unsigned which) {
  const uint32_t bits = which == 0 ? pair << 16 : pair & 0xffff0000u;
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

// A product of two bfloat16 is exact in float32; the sums are rounded one after the other. A GPU may take another order, and truncate.
inline void MultiplyFragmentsAt(int site, const uint32_t (&a)[4], const uint32_t (&b)[2], float (&c)[4]) {
  constexpr unsigned kLanes = 32;
  constexpr uint32_t kAll = 0xffffffffu;
  const uint64_t sent[3] = {a[0] | static_cast<uint64_t>(a[1]) << 32, a[2] | static_cast<uint64_t>(a[3]) << 32, b[0] | static_cast<uint64_t>(b[1]) << 32};
  const unsigned own = threadIdx.x % kLanes;
  uint32_t of[6][kLanes];
  for (int i = 0; i < 3; i++) {
    const uint64_t* const received = Exchange(Word::kProduct, kAll, sent[i], own, 3 * site + i);
    for (unsigned lane = 0; lane < kLanes; lane++) {
      of[2 * i][lane] = static_cast<uint32_t>(received[lane]);
      of[2 * i + 1][lane] = static_cast<uint32_t>(received[lane] >> 32);
    }
  }
  for (unsigned r = 0; r < 4; r++) {
    const unsigned row = own / 4 + r / 2 * 8, col = own % 4 * 2 + r % 2;
    for (unsigned k = 0; k < 16; k++) {
      const unsigned lane = k % 8 / 2, later = k / 8;
      const float left = HalfOfPair(of[row / 8 + 2 * later][row % 8 * 4 + lane], k % 2);
      const float right = HalfOfPair(of[4 + later][col * 4 + lane], k % 2);
      c[r] += left * right;
    }
  }
}

}  // namespace simt
}  // namespace hypersphere
