// Scratch memory of one call, cut into arrays that start on cache lines. The last one given back is kept for the next call,
// since first touching fresh pages costs more than the arithmetic on them.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <atomic>

#include "huge_pages.h"

namespace hypersphere {

class Workspace {
 public:
  // Adds an array and returns its place; all are added before Allocate.
  template <class T>
  size_t Add(size_t count) {
    const size_t at = bytes_;
    if (count > (SIZE_MAX / 2 - bytes_) / sizeof(T)) {
      overflow_ = true;
    } else {
      bytes_ += (count * sizeof(T) + kLine - 1) / kLine * kLine;
    }
    return at;
  }

  bool Allocate() {
    if (overflow_) return false;
    block_ = Kept().exchange(nullptr, std::memory_order_acquire);
    if (block_ != nullptr && block_->bytes >= bytes_) return true;
    free(block_);
    block_ = static_cast<Block*>(malloc(sizeof(Block) + kLine + bytes_));
    if (block_ == nullptr) return false;
    if (bytes_ >= kHuge) AdviseHuge(block_, sizeof(Block) + kLine + bytes_);
    block_->bytes = bytes_;
    return true;
  }

  template <class T>
  T* At(size_t place) const {
    const uintptr_t start = reinterpret_cast<uintptr_t>(block_ + 1);
    return reinterpret_cast<T*>((start + kLine - 1) / kLine * kLine + place);
  }

  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    if (block_ != nullptr && block_->bytes <= kMostKept) block_ = Kept().exchange(block_, std::memory_order_acq_rel);
    free(block_);
  }

 private:
  static constexpr size_t kLine = 64;
  // A head's call with its default of kept logits fits in.
  static constexpr size_t kMostKept = size_t{128} << 20;
  static constexpr size_t kHuge = size_t{4} << 20;
  struct Block {
    size_t bytes;
  };

  static std::atomic<Block*>& Kept() {
    static std::atomic<Block*> kept{nullptr};
    return kept;
  }

  Block* block_ = nullptr;
  size_t bytes_ = 0;
  bool overflow_ = false;
};

}  // namespace hypersphere
