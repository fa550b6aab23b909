// Where one value ranks among many: how many come before it. Fused: the comparison and the count, one vector of either in registers and
// nothing stored; counting for a few values is far cheaper than any order of all.
#pragma once

#include "../simd/vec.h"

namespace hypersphere {
namespace {

// #{j: values[j] < key}, or ≤ key.
template <bool kEqual>
HYPERSPHERE_INLINE size_t CountUpTo(const float* values, size_t count, float key) {
  VI fewer = {};  // less than 2³¹ of them
  const V bound = Set(key);
  size_t j = 0;
  for (; j + kLanes <= count; j += kLanes) fewer += kEqual ? VI(Load(values + j) <= bound) : VI(Load(values + j) < bound);
  size_t total = 0;
  for (size_t l = 0; l < kLanes; l++) total += static_cast<size_t>(-fewer[l]);
  for (; j < count; j++) total += (kEqual ? values[j] <= key : values[j] < key) ? 1 : 0;
  return total;
}

// The least first, ties to the lowest index; values[at] is a number, so that NaN never comes before it.
size_t CountBefore(const float* values, size_t count, size_t at) {
  const float key = values[at];
  return CountUpTo<true>(values, at, key) + CountUpTo<false>(values + at + 1, count - at - 1, key);
}

}  // namespace
}  // namespace hypersphere
