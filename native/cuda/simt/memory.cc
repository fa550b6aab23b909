#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include <map>
#include <mutex>

#include "sanitizers.h"
#include "setting.h"

namespace hypersphere {
namespace simt {
namespace {

struct Memory {
  std::mutex lock;
  const size_t total = Setting("HYPERSPHERE_SIMT_MEMORY", size_t{1} << 34);
  size_t used = 0;
  std::map<void*, size_t> blocks;
};
Memory& All() {
  static Memory* const memory = new Memory;
  return *memory;
}

// The whole block is NaN and may be touched as far as it was asked for.
void Lend(void* memory, size_t block, size_t bytes) {
  AllowAccess(memory, block);
  memset(memory, 0xff, block);
  ForbidAccess(static_cast<char*>(memory) + bytes, block - bytes);
}

}  // namespace

void* Allocate(size_t bytes) {
  Memory& all = All();
  const std::lock_guard<std::mutex> guard(all.lock);
  void* const memory = bytes > all.total - all.used ? nullptr : malloc(bytes);
  if (memory == nullptr) return nullptr;
  all.blocks.emplace(memory, bytes);
  all.used += bytes;
  Lend(memory, bytes, bytes);
  return memory;
}

bool Use(void* memory, size_t bytes) {
  Memory& all = All();
  const std::lock_guard<std::mutex> guard(all.lock);
  const auto block = all.blocks.find(memory);
  if (block == all.blocks.end() || bytes > block->second) return false;
  Lend(memory, block->second, bytes);
  return true;
}

bool Release(void* memory) {
  Memory& all = All();
  const std::lock_guard<std::mutex> guard(all.lock);
  const auto block = all.blocks.find(memory);
  if (block == all.blocks.end()) return false;
  AllowAccess(memory, block->second);
  all.used -= block->second;
  all.blocks.erase(block);
  free(memory);
  return true;
}

size_t TotalBytes() { return All().total; }
size_t FreeBytes() {
  Memory& all = All();
  const std::lock_guard<std::mutex> guard(all.lock);
  return all.total - all.used;
}

}  // namespace simt
}  // namespace hypersphere
