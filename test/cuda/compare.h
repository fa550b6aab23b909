// What the CUDA tests share: the device against the CPU at every level with fused multiply-add, element by element, and data that
// needs every way round.
#pragma once

#include <math.h>

#include <map>
#include <string>

#include "../../native/cuda/context.h"
#include "../../native/cuda/ops/ops.h"
#include "../../native/ops/ops.h"
#include "../native/check.h"

namespace hypersphere::test {

inline std::vector<Level> FusedLevels() {
  std::vector<Level> levels;
  for (const Level level : Levels()) {
    if (level != Level::kBaseline) levels.push_back(level);
  }
  return levels;
}

inline bool SameNumber(float a, float b) { return (a != a && b != b) || memcmp(&a, &b, sizeof(a)) == 0; }
inline bool SameNumber(double a, double b) { return (a != a && b != b) || memcmp(&a, &b, sizeof(a)) == 0; }

// What has been compared of an op.
struct Tally {
  size_t cases = 0, wrong = 0, numbers = 0;
};
inline std::map<std::string, Tally>& Tallies() {
  static std::map<std::string, Tally>* const tallies = new std::map<std::string, Tally>;
  return *tallies;
}

// compute(on the device?) at each level against the device's result. Every NaN is one value, and −0 is not 0. A difference is told and counted, and
// the next case has its turn: on a device that computes something wrong, what else it computes wrong is to be known, too.
template <class Compute>
void TestBits(const char* op, const char* name, const Compute& compute) {
  const auto device = compute(true);
  Tally& tally = Tallies()[op];
  bool right = true;
  for (const Level level : FusedLevels()) {
    SetLevel(level);
    const auto cpu = compute(false);
    CHECK(cpu.size() == device.size(), "%s, %s at %s", op, name, LevelName(level));
    for (size_t i = 0; right && i < cpu.size(); i++) {
      right = SameNumber(cpu[i], device[i]);
      if (right) continue;
      fprintf(stderr, "%s, %s at %s: element %zu of %zu is %a on the CPU and %a on the device\n", op, name, LevelName(level), i, cpu.size(), double(cpu[i]),
              double(device[i]));
    }
  }
  tally.cases++;
  tally.wrong += right ? 0 : 1;
  tally.numbers += device.size();
  SetLevel(DetectedLevel());
}

// float32 in double, where a result has numbers of both kinds.
template <class T>
void Append(std::vector<double>& to, const std::vector<T>& from) {
  for (const T value : from) to.push_back(static_cast<double>(value));
}

inline void Succeed(Status status) { CHECK(status == Status::kOk, "status %d: %s", static_cast<int>(status), cuda::Context::Failure().c_str()); }

// Rows of which some are zero, equal to another one, far out, tiny, infinite or no numbers.
inline std::vector<float> Nasty(size_t n, size_t d, uint32_t seed) {
  std::vector<float> rows = Normals(n * d, seed);
  const float scales[] = {1, 0, 1e-30f, 1e25f, INFINITY, NAN, 1e-20f};
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < d; k++) rows[i * d + k] = i % 8 == 7 ? rows[k] : rows[i * d + k] * scales[i % 8 % 7];
  }
  return rows;
}

}  // namespace hypersphere::test
