// Ranks in order, by the sixteen threads of a group, and where a value falls among sorted bounds.
#pragma once

#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/rank.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

HYPERSPHERE_DEVICE size_t IndexOf(uint64_t rank) { return static_cast<uint32_t>(rank) >> 1; }

// How many of the ascending bounds are not greater.
HYPERSPHERE_DEVICE size_t Reached(const float* bounds, size_t count, float value) {
  size_t low = 0;
  for (size_t left = count; left > 0;) {
    const size_t half = left / 2;
    const bool beyond = bounds[low + half] <= value;
    low = beyond ? low + half + 1 : low;
    left = beyond ? left - half - 1 : half;
  }
  return low;
}

// A bitonic sort in place; `count` is a power of two.
HYPERSPHERE_DEVICE void SortRanks(uint64_t* ranks, size_t count) {
  for (size_t run = 2; run <= count; run *= 2) {
    for (size_t apart = run / 2; apart > 0; apart /= 2) {
      for (size_t i = OwnFirst(); i < count; i += kOwnStep) {
        const size_t j = i ^ apart;
        if (j < i) continue;
        const uint64_t a = ranks[i], b = ranks[j];
        if ((a > b) == ((i & run) == 0)) {
          ranks[i] = b;
          ranks[j] = a;
        }
      }
      GroupFence();
    }
  }
}

}  // namespace
}  // namespace hypersphere
