// Bounds between float32 numbers.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <initializer_list>

namespace hypersphere {

// The order of float32 numbers as one of integers, and back.
inline int32_t KeyOf(float value) {
  int32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits ^ ((bits >> 31) & INT32_MAX);
}
inline float OfKey(int32_t key) {
  const int32_t bits = key ^ ((key >> 31) & INT32_MAX);
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

// The least float32 number for which what held up to it holds no more; `guess` or next to it, but where rounding gets in the way.
template <class Rule>
float EndOf(float guess, const Rule& holds) {
  int64_t held = KeyOf(-INFINITY), ended = KeyOf(INFINITY);
  const int64_t near = KeyOf(guess);
  for (const int64_t tried : {near - 1, near, near + 1}) {
    if (tried <= held || tried >= ended) continue;
    (holds(OfKey(static_cast<int32_t>(tried))) ? held : ended) = tried;
  }
  while (ended - held > 1) {
    const int64_t middle = held + (ended - held) / 2;
    (holds(OfKey(static_cast<int32_t>(middle))) ? held : ended) = middle;
  }
  return OfKey(static_cast<int32_t>(ended));
}

// The greatest for which it still holds; −∞ without any.
template <class Rule>
float LastOf(double guess, const Rule& holds) {
  constexpr double kMost = static_cast<double>(__FLT_MAX__);
  const float near = static_cast<float>(guess > kMost ? kMost : guess < -kMost ? -kMost : guess);
  return OfKey(KeyOf(EndOf(near, holds)) - 1);
}

}  // namespace hypersphere
