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

// Kernels of the current level. A simple operation asks once and keeps to it; one made of others asks in each of them, so another thread should
// not change the level meanwhile.
const KernelTable& CurrentKernels();

}  // namespace hypersphere
