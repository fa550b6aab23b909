#pragma once

namespace hypersphere {

// Keeps this library in memory until the process ends: Node unloads an addon when the last environment that loaded it goes, and a thread
// of the pool would lose the code it runs. On Linux a flag of the linker does it (-z nodelete).
void KeepLoaded();

}  // namespace hypersphere
