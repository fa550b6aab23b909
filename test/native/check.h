// What the C++ tests share: a check that names its place, reproducible data, the levels of this machine.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "../../native/cpu.h"

#define CHECK(condition, ...)                                          \
  do {                                                                 \
    if (!(condition)) {                                                \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);  \
      fprintf(stderr, __VA_ARGS__);                                    \
      fputc('\n', stderr);                                             \
      exit(1);                                                         \
    }                                                                  \
  } while (0)

namespace hypersphere::test {

// Deterministic and the same everywhere: Marsaglia's xorshift, the sum of four draws as a near-normal number.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u | 1u) {}
  uint32_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    return state_ ^= state_ << 5;
  }
  float Uniform() { return static_cast<float>(Next() >> 8) * 0x1p-24f; }
  float Normal() { return (Uniform() + Uniform() + Uniform() + Uniform() - 2) * 1.7320508f; }

 private:
  uint32_t state_;
};

inline std::vector<float> Normals(size_t count, uint32_t seed, float scale = 1, float offset = 0) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = random.Normal() * scale + offset;
  return values;
}

inline std::vector<Level> Levels() {
  std::vector<Level> levels;
  for (const Level level : {Level::kBaseline, Level::kAvx2, Level::kAvx512, Level::kNeon}) {
    if (SetLevel(level)) levels.push_back(level);
  }
  SetLevel(DetectedLevel());
  return levels;
}

// Bits, except that every NaN is one value.
inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (a[i] != a[i] && b[i] != b[i]) continue;
    if (memcmp(&a[i], &b[i], sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace hypersphere::test
