// Worker threads for fixed blocks of work. Nothing starts before the first call that wants help; the caller works too; one
// call at a time gets the workers, a second one (or one made inside a block) runs its blocks alone. Which thread takes a
// block is left to chance, so a block must own its outputs. All of them see the caller's kernels.
#pragma once

#include <stddef.h>

#include <atomic>

#include "../api.h"

namespace hypersphere {

constexpr int kMostThreads = 256;  // lib/backend.ts says so to the user

// From any thread, also during a call: it holds for the calls that start later.
void SetThreads(int threads);
int Threads();

// `worker` is below the thread count, and no two blocks run under one number at the same time.
using BlockFunction = void (*)(const void* context, size_t block, int worker);

// kAborted as soon as `cancel` (may be null) is seen set: it is read before every block.
Status RunBlocks(size_t blocks, int threads, BlockFunction function, const void* context, const std::atomic<bool>* cancel) noexcept;

// function(block, worker) for every block. Workspaces per worker are sized by the same `threads`.
template <class Function>
Status ParallelFor(size_t blocks, const Function& function, const std::atomic<bool>* cancel, int threads = Threads()) noexcept {
  const BlockFunction call = [](const void* context, size_t block, int worker) {
    (*static_cast<const Function*>(context))(block, worker);
  };
  return RunBlocks(blocks, threads, call, &function, cancel);
}

}  // namespace hypersphere
