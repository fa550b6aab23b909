// Between the arrays of one piece of memory AddressSanitizer sees nothing. In builds with it they lie apart, and what lies between them may not
// be touched; in all others this is nothing.
#pragma once

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HYPERSPHERE_GAPS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HYPERSPHERE_GAPS
#endif

#ifdef HYPERSPHERE_GAPS
#include <sanitizer/asan_interface.h>
#endif

namespace hypersphere {

class Gaps {
 public:
#ifdef HYPERSPHERE_GAPS
  static constexpr size_t kBytes = 64;

  // From the end of an array to the start of the next one.
  void Add(size_t from, size_t to) {
    if (count_ < kMost) gaps_[count_++] = {from, to};
  }
  // Of arrays that start at `memory`. The work follows the gaps, not the memory, of which a small call may have been given much.
  void Close(char* memory) const {
    for (size_t i = 0; i < count_; i++) __asan_poison_memory_region(memory + gaps_[i].from, gaps_[i].to - gaps_[i].from);
  }
  void Open(char* memory) const {
    for (size_t i = 0; i < count_; i++) __asan_unpoison_memory_region(memory + gaps_[i].from, gaps_[i].to - gaps_[i].from);
  }

 private:
  static constexpr size_t kMost = 64;  // the first ones of a longer layout
  struct Gap {
    size_t from, to;
  };
  Gap gaps_[kMost];
  size_t count_ = 0;
#else
  static constexpr size_t kBytes = 0;
  void Add(size_t, size_t) {}
  void Close(char*) const {}
  void Open(char*) const {}
#endif
};

}  // namespace hypersphere
