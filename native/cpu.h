// Which instructions this CPU and its operating system let us use, and which of them we do use.
#pragma once

#include "api.h"

namespace hypersphere {

Level DetectedLevel();
Level CurrentLevel();
// Only lowers: false where the CPU cannot run the level. kBaseline is always granted.
bool SetLevel(Level level);
const char* LevelName(Level level);

// Whether these kernels have a coarse pass, and the CPU the instruction for it.
bool HasCoarse(const KernelTable& kernels);

// Kernels of the current level, or of a kept one. A simple operation asks once and keeps to it; one made of others asks in each of them.
const KernelTable& CurrentKernels();

// As long as one lives its thread, and the pool's where they work for it, see the level as it was: another thread may choose another meanwhile.
// Inside another one it changes nothing. It dies on the thread that made it, the last one first.
class KeptLevel {
 public:
  KeptLevel() : KeptLevel(CurrentKernels()) {}
  explicit KeptLevel(const KernelTable& kernels);
  ~KeptLevel();
  KeptLevel(const KeptLevel&) = delete;
  KeptLevel& operator=(const KeptLevel&) = delete;

 private:
  const KernelTable* const before_;
};

}  // namespace hypersphere
