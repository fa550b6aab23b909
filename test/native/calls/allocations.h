// Allocations that fail on demand. The linker sends every request of the program's own objects here (`--wrap`, CMakeLists.txt), so the core is
// the one that ships, and an allocation that is added to it counts by itself.
#pragma once

namespace hypersphere::test {

enum class Failed { kNothing, kMemory, kObject };

// The `which`th allocation from now on fails, counted from 1: malloc and its like return null, `new` throws. Until Disarm.
void FailAllocation(int which);
// Which kind has failed, if any.
Failed Disarm();

}  // namespace hypersphere::test
