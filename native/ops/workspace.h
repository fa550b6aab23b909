// Memory cut into arrays that start on cache lines: of an object, or the scratch of one call. The last scratch given back is kept for the
// next call, since first touching fresh pages costs more than the arithmetic on them.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <atomic>

#include "gaps.h"
#include "huge_pages.h"

namespace hypersphere {

class Layout {
 public:
  // Adds an array and returns its place; all are added before there is memory.
  template <class T>
  size_t Add(size_t count) {
    const size_t at = bytes_;
    if (count > (SIZE_MAX / 2 - bytes_) / sizeof(T)) {
      overflow_ = true;
    } else {
      bytes_ += (count * sizeof(T) + kLine - 1) / kLine * kLine + Gaps::kBytes;
      gaps_.Add(at + count * sizeof(T), bytes_);
    }
    return at;
  }
  size_t bytes() const { return overflow_ ? SIZE_MAX : bytes_; }
  // For who has the memory from elsewhere: around its use.
  void CloseGaps(char* memory) const { gaps_.Close(memory); }
  void OpenGaps(char* memory) const { gaps_.Open(memory); }

 protected:
  template <class T>
  static T* Place(void* memory, size_t place) {
    return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory) + kLine - 1) / kLine * kLine + place);
  }

  static constexpr size_t kLine = 64;
  size_t bytes_ = 0;
  bool overflow_ = false;
  Gaps gaps_;
};

class Storage : public Layout {
 public:
  bool Allocate() {
    if (!overflow_) memory_ = malloc(bytes_ + kLine);
    if (memory_ != nullptr) gaps_.Close(At<char>(0));
    return memory_ != nullptr;
  }

  template <class T>
  T* At(size_t place) const {
    return Place<T>(memory_, place);
  }

  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  ~Storage() { free(memory_); }

 private:
  void* memory_ = nullptr;
};

class Workspace : public Layout {
 public:
  bool Allocate() {
    if (overflow_) return false;
    const size_t held = Held().fetch_add(bytes_, std::memory_order_relaxed) + bytes_;
    size_t most = MostHeld().load(std::memory_order_relaxed);
    while (most < held && !MostHeld().compare_exchange_weak(most, held, std::memory_order_relaxed)) {
    }
    counted_ = bytes_;
    block_ = Kept().exchange(nullptr, std::memory_order_acquire);
    if (block_ == nullptr || block_->bytes < bytes_) {
      free(block_);
      block_ = static_cast<Block*>(malloc(sizeof(Block) + kLine + bytes_));
      if (block_ == nullptr) return false;
      if (bytes_ >= kHuge) AdviseHuge(block_, sizeof(Block) + kLine + bytes_);
      block_->bytes = bytes_;
    }
    gaps_.Close(At<char>(0));
    return true;
  }

  template <class T>
  T* At(size_t place) const {
    return Place<T>(block_ + 1, place);
  }

  // The most bytes that all calls together have asked for at one time since this was last asked.
  static size_t TakePeak() { return MostHeld().exchange(Held().load(std::memory_order_relaxed), std::memory_order_relaxed); }

  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    Held().fetch_sub(counted_, std::memory_order_relaxed);
    if (block_ != nullptr) gaps_.Open(At<char>(0));
    if (block_ != nullptr && block_->bytes <= MostKept()) block_ = Kept().exchange(block_, std::memory_order_acq_rel);
    free(block_);
  }

#ifdef HYPERSPHERE_TEST
  // With 0 nothing is kept: what a call finds is chance, since others may take it at any time.
  static void Keep(size_t most) {
    MostKept() = most;
    free(Kept().exchange(nullptr));
  }
#endif

 private:
  // A head's call with its default of kept logits fits in.
  static constexpr size_t kMostKept = size_t{128} << 20;
#ifdef HYPERSPHERE_TEST
  static std::atomic<size_t>& MostKept() {
    static std::atomic<size_t> most{kMostKept};
    return most;
  }
#else
  static constexpr size_t MostKept() { return kMostKept; }
#endif
  static constexpr size_t kHuge = size_t{4} << 20;
  struct Block {
    size_t bytes;
  };

  static std::atomic<Block*>& Kept() {
    static std::atomic<Block*> kept{nullptr};
    return kept;
  }

  static std::atomic<size_t>& Held() {
    static std::atomic<size_t> held{0};
    return held;
  }
  static std::atomic<size_t>& MostHeld() {
    static std::atomic<size_t> most{0};
    return most;
  }

  Block* block_ = nullptr;
  size_t counted_ = 0;
};

}  // namespace hypersphere
