// Bounds between float32 numbers.
#pragma once

#include <stdint.h>

#include "../host_device.h"

namespace hypersphere {

// The order of float32 numbers as one of integers, and back.
HYPERSPHERE_HOST_DEVICE inline int32_t OrderOf(float value) {
  int32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits ^ ((bits >> 31) & INT32_MAX);
}
HYPERSPHERE_HOST_DEVICE inline float OfOrder(int32_t key) {
  const int32_t bits = key ^ ((key >> 31) & INT32_MAX);
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

// The least float32 number for which what held up to it holds no more; `guess` or next to it, but where rounding gets in the way.
template <class Rule>
HYPERSPHERE_HOST_DEVICE float EndOf(float guess, const Rule& holds) {
  int64_t held = OrderOf(-__builtin_inff()), ended = OrderOf(__builtin_inff());
  const int64_t near = OrderOf(guess);
  const int64_t tries[] = {near - 1, near, near + 1};
  for (const int64_t tried : tries) {
    if (tried <= held || tried >= ended) continue;
    (holds(OfOrder(static_cast<int32_t>(tried))) ? held : ended) = tried;
  }
  while (ended - held > 1) {
    const int64_t middle = held + (ended - held) / 2;
    (holds(OfOrder(static_cast<int32_t>(middle))) ? held : ended) = middle;
  }
  return OfOrder(static_cast<int32_t>(ended));
}

// The greatest for which it still holds; −∞ without any.
template <class Rule>
HYPERSPHERE_HOST_DEVICE float LastOf(double guess, const Rule& holds) {
  constexpr double kMost = static_cast<double>(__FLT_MAX__);
  const float near = static_cast<float>(guess > kMost ? kMost : guess < -kMost ? -kMost : guess);
  return OfOrder(OrderOf(EndOf(near, holds)) - 1);
}

}  // namespace hypersphere
