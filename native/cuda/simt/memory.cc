#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include <map>

#include "sanitizers.h"
#include "setting.h"

namespace hypersphere {
namespace simt {
namespace {

// The addon calls with one thread at a time.
struct Memory {
  const size_t total = Setting("HYPERSPHERE_SIMT_MEMORY", size_t{1} << 34);
  size_t used = 0;
  std::map<void*, size_t> blocks;
};
Memory& All() {
  static Memory* const memory = new Memory;
  return *memory;
}

}  // namespace

void* Allocate(size_t bytes) {
  Memory& all = All();
  void* const memory = bytes > all.total - all.used ? nullptr : malloc(bytes);
  if (memory == nullptr) return nullptr;
  all.blocks.emplace(memory, bytes);
  all.used += bytes;
  Use(memory, bytes);
  return memory;
}

bool Use(void* memory, size_t bytes) {
  const auto block = All().blocks.find(memory);
  if (block == All().blocks.end() || bytes > block->second) return false;
  AllowAccess(memory, block->second);
  memset(memory, 0xff, block->second);
  ForbidAccess(static_cast<char*>(memory) + bytes, block->second - bytes);
  return true;
}

bool Release(void* memory) {
  Memory& all = All();
  const auto block = all.blocks.find(memory);
  if (block == all.blocks.end()) return false;
  AllowAccess(memory, block->second);
  all.used -= block->second;
  all.blocks.erase(block);
  free(memory);
  return true;
}

size_t TotalBytes() { return All().total; }
size_t FreeBytes() { return All().total - All().used; }

}  // namespace simt
}  // namespace hypersphere
