// What a context keeps for the next call: memory of the device and, of the host, what is page-locked. Where the host has no memory to list it, it is
// freed instead.
#include <utility>

#include "context.h"
#include "held.h"

namespace hypersphere {
namespace cuda {

void Context::ReleaseHeld() { Held::OfThread().GiveBack(); }

// Another call may have the memory that this one frees before it can: then it is told that the device is full, as it is.
Result Context::Take(size_t bytes, Address* address) {
  Held& held = Held::OfThread();
  if (held.Take(bytes, address) || TakeKept(bytes, address)) return kSuccess;
  Result result = driver_.cuMemAlloc_v2(address, bytes);
  if (result != kErrorOutOfMemory) return result;
  held.GiveBack();
  ReleaseKept();
  return driver_.cuMemAlloc_v2(address, bytes);
}

bool Context::TakeKept(size_t bytes, Address* address) {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  const auto found = kept_.find(bytes);
  if (found == kept_.end()) return false;
  *address = found->second;
  kept_.erase(found);
  return true;
}

void Context::GiveBack(std::vector<Block>& blocks) {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  for (const Block& block : blocks) {
    try {
      kept_.emplace(block.bytes, block.address);
    } catch (const std::bad_alloc&) {
      driver_.cuMemFree_v2(block.address);
    }
  }
  blocks.clear();
}

void Context::ReleaseKept() {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  for (const auto& block : kept_) driver_.cuMemFree_v2(block.second);
  kept_.clear();
}

std::unique_ptr<Staging> Context::TakeStaging() {
  {
    const std::lock_guard<std::mutex> guard(kept_lock_);
    if (!staging_.empty()) {
      std::unique_ptr<Staging> staging = std::move(staging_.back());
      staging_.pop_back();
      return staging;
    }
  }
  try {
    return Staging::Make(driver_);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void Context::GiveBack(std::unique_ptr<Staging> staging) {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  try {
    staging_.push_back(std::move(staging));
  } catch (const std::bad_alloc&) {  // then it is freed here
  }
}

}  // namespace cuda
}  // namespace hypersphere
