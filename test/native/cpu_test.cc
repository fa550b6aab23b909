// The level only goes down, and back up to what the CPU has.
#include "check.h"

using namespace hypersphere;

int main() {
  const Level detected = DetectedLevel();
  CHECK(CurrentLevel() == detected, "%s", LevelName(CurrentLevel()));
  CHECK(SetLevel(Level::kBaseline) && CurrentLevel() == Level::kBaseline, "baseline is always granted");
#if defined(__x86_64__)
  CHECK(!SetLevel(Level::kNeon), "another architecture's level");
  CHECK(SetLevel(Level::kAvx512) == (detected == Level::kAvx512), "no higher than detected");
  CHECK(SetLevel(Level::kAvx2) == (detected != Level::kBaseline), "avx512 implies avx2");
#elif defined(__aarch64__)
  CHECK(detected == Level::kNeon && !SetLevel(Level::kAvx2), "neon");
#endif
  CHECK(SetLevel(detected) && CurrentLevel() == detected, "back again");
  CHECK(CurrentKernels().tile_rows > 0, "a table");
  return 0;
}
