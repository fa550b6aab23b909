// Passes over one row's distances for a rule that selects by comparison. Nothing is fused with them but the comparison's two bounds: the row
// lies in the first or second level of cache, a vector of it is compared at once, and only what lies inside costs a step of its own. Values
// that take no part are NaN, so there are no masks but at the row's end.
#pragma once

#include "rows.h"

namespace hypersphere {
namespace {

HYPERSPHERE_INLINE uint32_t BandBits(V v, V above, V to, size_t n) { return ~NotGreaterBits(v, above) & NotGreaterBits(v, to) & ((1u << n) - 1); }

size_t CountInBand(const float* values, size_t count, RowBand band) {
  const V above = Set(band.above), to = Set(band.to), none = Set(__builtin_nanf(""));
  VI fewer = {};
  AlongRow(count, [&](size_t k, size_t n) {
    const V v = FirstN(n, LoadUpTo(values + k, n), none);
    fewer += VI(v > above) & VI(v <= to);
  });
  size_t inside = 0;
  for (size_t l = 0; l < kLanes; l++) inside += static_cast<uint32_t>(-fewer[l]);
  return inside;
}

size_t FindInBand(const float* values, size_t count, RowBand band, int32_t* found) {
  const V above = Set(band.above), to = Set(band.to);
  size_t size = 0;
  AlongRow(count, [&](size_t k, size_t n) {
    uint32_t bits = BandBits(LoadUpTo(values + k, n), above, to, n);
    const int32_t at = static_cast<int32_t>(k);
    if (bits == (1u << kLanes) - 1) {
      for (size_t l = 0; l < kLanes; l++) found[size + l] = at + static_cast<int32_t>(l);
      size += kLanes;
      return;
    }
    for (; bits != 0; bits &= bits - 1) found[size++] = at + __builtin_ctz(bits);
  });
  return size;
}

size_t FirstInBand(const float* values, size_t count, RowBand band) {
  const V above = Set(band.above), to = Set(band.to);
  for (size_t k = 0; k < count; k += kLanes) {
    const size_t n = Least(kLanes, count - k);
    const uint32_t bits = BandBits(LoadUpTo(values + k, n), above, to, n);
    if (bits != 0) return k + static_cast<size_t>(__builtin_ctz(bits));
  }
  return count;
}

float LeastAbove(const float* values, size_t count, float above) {
  const V bound = Set(above), none = Set(__builtin_inff());
  V least = none;
  AlongRow(count, [&](size_t k, size_t n) {
    const V v = FirstN(n, LoadUpTo(values + k, n), none);
    least = (VI(v > bound) & VI(v < least)) ? v : least;
  });
  float found = least[0];
  for (size_t l = 1; l < kLanes; l++) found = least[l] < found ? least[l] : found;
  // −0 and +0 are equal: which of them won depends on the lanes.
  return found + 0.0f;
}

constexpr RowBands kRowBands = {CountInBand, FindInBand, FirstInBand, LeastAbove};

}  // namespace
}  // namespace hypersphere
