// What the sanitizers must be told of fibers and of device memory; nothing where there is none.
//
// ThreadSanitizer takes each CUDA thread for a thread of its own, though all of them run on one: what one writes and another reads or writes is a
// race unless a barrier of both lies between, whatever the order in which they had their turns. So threads are new ones in every block, and nothing
// orders one block after another but the end of the launch. Shuffles and votes order nothing, as on a device. The scheduler itself is compiled
// without ThreadSanitizer (CMakeLists.txt) and must call no function that it intercepts in a thread's name.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define HYPERSPHERE_SIMT_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HYPERSPHERE_SIMT_ASAN
#endif
#endif
#if defined(HYPERSPHERE_SIMT_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(HYPERSPHERE_SIMT_TSAN)
#include <sanitizer/tsan_interface.h>
#include <sys/mman.h>

#include <vector>
#endif

namespace hypersphere {
namespace simt {

inline void AllowAccess([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#if defined(HYPERSPHERE_SIMT_ASAN)
  __asan_unpoison_memory_region(memory, bytes);
#endif
}
inline void ForbidAccess([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#if defined(HYPERSPHERE_SIMT_ASAN)
  __asan_poison_memory_region(memory, bytes);
#endif
}

#if defined(HYPERSPHERE_SIMT_TSAN)

constexpr bool kNewThreadsEveryBlock = true;

// A stack has been another thread's. Mapped again it is nobody's; no kernel needs more of it than this.
inline void RenewStack(char* end) {
  constexpr size_t kBytes = size_t{16} << 10;
  mmap(end - kBytes, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

class Races {
 public:
  void BeginBlock(size_t threads) {
    host_ = __tsan_get_current_fiber();
    owner_ = __tsan_create_fiber(0);
    threads_.resize(threads);
    for (void*& thread : threads_) thread = __tsan_create_fiber(0);
  }
  void Enter(size_t thread) { Switch(threads_[thread]); }
  void Leave() { Switch(host_); }

  // What they have done comes before what they will do.
  template <class Includes>
  void Meet(const Includes& includes) {
    void* const current = __tsan_get_current_fiber();
    Switch(owner_);
    char* const place = new char[8];
    for (size_t i = 0; i < threads_.size(); i++) {
      if (includes(i)) Release(i, place);
    }
    for (size_t i = 0; i < threads_.size(); i++) {
      if (!includes(i)) continue;
      Switch(threads_[i]);
      __tsan_acquire(place);
    }
    Switch(owner_);
    delete[] place;  // and with it what it knows
    Switch(current);
  }

  // The shared arrays are made by somebody who has done nothing else.
  template <class Make>
  void Own(const Make& make) {
    void* const current = __tsan_get_current_fiber();
    Switch(owner_);
    __tsan_release(make());
    Switch(current);
  }
  void Acquire(void* array) { __tsan_acquire(array); }

  template <class Drop>
  void EndBlock(const Drop& drop) {
    Switch(owner_);
    char* const place = new char[8];
    for (size_t i = 0; i < threads_.size(); i++) {
      Release(i, place);
      __tsan_release(&end_);
    }
    Switch(owner_);
    __tsan_acquire(place);
    drop();
    delete[] place;
    Switch(host_);
    for (void* thread : threads_) __tsan_destroy_fiber(thread);
    __tsan_destroy_fiber(owner_);
  }
  void EndLaunch() { __tsan_acquire(&end_); }

 private:
  static void Switch(void* thread) { __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync); }
  void Release(size_t thread, void* place) {
    Switch(threads_[thread]);
    __tsan_release(place);
  }

  std::vector<void*> threads_;
  void *host_ = nullptr, *owner_ = nullptr;
  uint64_t end_ = 0;
};

#else

constexpr bool kNewThreadsEveryBlock = false;

inline void RenewStack(char*) {}

class Races {
 public:
  void BeginBlock(size_t) {}
  void Enter(size_t) {}
  void Leave() {}
  template <class Includes>
  void Meet(const Includes&) {}
  template <class Make>
  void Own(const Make& make) {
    make();
  }
  void Acquire(void*) {}
  template <class Drop>
  void EndBlock(const Drop& drop) {
    drop();
  }
  void EndLaunch() {}
};

#endif

}  // namespace simt
}  // namespace hypersphere
