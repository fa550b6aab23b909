// A candidate of a search is one 64-bit rank: its key (the distance, or the similarity negated) as an integer that orders like the number,
// −0 as 0, NaN after infinity, and below it the column's index. Ranks are all different, so the k least of them are the same set whoever
// looks for them and in whatever order: the CPU at every level, and the GPU. The lowest bit tells a −0 from a 0.
#pragma once

#include "../api.h"
#include "../simd/vec.h"

namespace hypersphere {
namespace {

constexpr uint32_t kNanKey = 0xfffffffeu;
constexpr uint32_t kZeroKey = 0x80000000u;

constexpr bool GrowsWithLikeness(Metric metric) { return metric == Metric::kDot || metric == Metric::kCosineSimilarity; }

HYPERSPHERE_INLINE float FloatOf(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

HYPERSPHERE_INLINE uint64_t RankOf(float value, bool grows, size_t index) {
  uint32_t key = kNanKey;
  if (value == value) {
    const uint32_t bits = BitsOf((grows ? -value : value) + 0.0f);
    key = bits & kZeroKey ? ~bits : bits | kZeroKey;
  }
  const uint32_t negative_zero = BitsOf(value) == kZeroKey;
  return static_cast<uint64_t>(key) << 32 | static_cast<uint32_t>(index << 1) | negative_zero;
}

HYPERSPHERE_INLINE float KeyOf(uint32_t key) { return FloatOf(key & kZeroKey ? key & ~kZeroKey : ~key); }

// Exactly: keys are compared, so what ties with the bound is not beyond it.
HYPERSPHERE_INLINE bool RanksBeyond(uint64_t rank, float beyond, bool grows) { return rank >> 32 > RankOf(beyond, grows, 0) >> 32; }

}  // namespace
}  // namespace hypersphere
