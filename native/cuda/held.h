// Blocks that only this thread's next call may have: what the first phase of an op has taken for the second.
#pragma once

#include <vector>

#include "context.h"

namespace hypersphere {
namespace cuda {

struct Held {
  std::vector<Block> blocks;

  static Held& OfThread() {
    static thread_local Held held;
    return held;
  }
  ~Held() { GiveBack(); }
  void GiveBack() {
    if (!blocks.empty()) Context::Get()->GiveBack(blocks);
  }
  bool Take(size_t bytes, Address* address) {
    for (Block& block : blocks) {
      if (block.bytes != bytes) continue;
      *address = block.address;
      block = blocks.back();
      blocks.pop_back();
      return true;
    }
    return false;
  }
};

}  // namespace cuda
}  // namespace hypersphere
