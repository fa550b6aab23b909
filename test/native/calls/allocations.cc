#include "allocations.h"

#include <stddef.h>

#include <atomic>
#include <new>

namespace {

using hypersphere::test::Failed;

std::atomic<int> left{0};
std::atomic<Failed> failed{Failed::kNothing};

bool Fails(Failed kind) {
  if (left.load(std::memory_order_relaxed) <= 0 || left.fetch_sub(1) != 1) return false;
  failed.store(kind);
  return true;
}

}  // namespace

extern "C" {

void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* memory, size_t size);
void* __real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void** memory, size_t alignment, size_t size);
void* __real__Znwm(size_t size);
void* __real__Znam(size_t size);

void* __wrap_malloc(size_t size) { return Fails(Failed::kMemory) ? nullptr : __real_malloc(size); }
void* __wrap_calloc(size_t count, size_t size) { return Fails(Failed::kMemory) ? nullptr : __real_calloc(count, size); }
void* __wrap_realloc(void* memory, size_t size) { return Fails(Failed::kMemory) ? nullptr : __real_realloc(memory, size); }
void* __wrap_aligned_alloc(size_t alignment, size_t size) { return Fails(Failed::kMemory) ? nullptr : __real_aligned_alloc(alignment, size); }
int __wrap_posix_memalign(void** memory, size_t alignment, size_t size) {
  return Fails(Failed::kMemory) ? 12 /* ENOMEM */ : __real_posix_memalign(memory, alignment, size);
}
void* __wrap__Znwm(size_t size) {
  if (Fails(Failed::kObject)) throw std::bad_alloc();
  return __real__Znwm(size);
}
void* __wrap__Znam(size_t size) {
  if (Fails(Failed::kObject)) throw std::bad_alloc();
  return __real__Znam(size);
}

}  // extern "C"

namespace hypersphere::test {

void FailAllocation(int which) {
  failed.store(Failed::kNothing);
  left.store(which);
}

Failed Disarm() {
  left.store(0);
  return failed.exchange(Failed::kNothing);
}

}  // namespace hypersphere::test
