// The stand-in's device memory. It starts as NaN each time that it is handed out. The context asks for more than a call needs and keeps it for the
// next one (context.h): what a call has not asked for is out of bounds all the same, which AddressSanitizer sees.
#pragma once

#include <stddef.h>

namespace hypersphere {
namespace simt {

// Null where the device is full.
void* Allocate(size_t bytes);
// Of what was allocated, so many bytes are asked for from now on. False for what was not.
bool Use(void* memory, size_t bytes);
bool Release(void* memory);

size_t TotalBytes();
size_t FreeBytes();

}  // namespace simt
}  // namespace hypersphere
