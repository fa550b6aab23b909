// From a block of results in the second level of cache to where they belong, row by row or transposed. A tile is two cache
// lines wide: written where it belongs at once, its lines would be read from memory before they are written, and rows a power of
// two apart would evict one another. From a block they go out as runs of whole lines, past the caches where the result
// would not stay there anyway. Transposed: kLanes columns at a time, by squares in registers, into a strip in the first level of
// cache, whose rows then go out like any others.
#pragma once

#include "pack.h"

namespace hypersphere {
namespace {

constexpr size_t kLineFloats = 16;

HYPERSPHERE_INLINE void StoreRun(const float* from, size_t count, float* to, bool streamed) {
  size_t k = 0;
  if (streamed) {
    // Whole lines only: a part of one would be merged in memory.
    const size_t head = Least((kLineFloats - reinterpret_cast<uintptr_t>(to) / sizeof(float) % kLineFloats) % kLineFloats, count);
    __builtin_memcpy(to, from, head * sizeof(float));
    for (k = head; k + kLineFloats <= count; k += kLineFloats) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kLineFloats; v += kLanes) Stream(Load(from + k + v), to + k + v);
    }
  }
  __builtin_memcpy(to + k, from + k, (count - k) * sizeof(float));
}

void StoreBlock(const BlockStore& store) {
  for (size_t i = 0; i < store.rows; i++) {
    StoreRun(store.block + i * store.block_stride, store.cols, store.out + i * store.out_stride, store.streamed);
  }
  if (store.streamed) StreamFence();
}

void StoreTransposed(const BlockStore& store) {
  alignas(64) float strip[kLanes][kBlockRows];
  V square[kLanes];
  for (size_t j = 0; j < store.cols; j += kLanes) {
    const size_t wide = Least(kLanes, store.cols - j);
    for (size_t i = 0; i < store.rows; i += kLanes) {
      const size_t high = Least(kLanes, store.rows - i);
      const float* from = store.block + i * store.block_stride + j;
      if (high == kLanes && wide == kLanes) {
#pragma GCC unroll 16
        for (size_t r = 0; r < kLanes; r++) square[r] = Load(from + r * store.block_stride);
      } else {
        for (size_t r = 0; r < kLanes; r++) square[r] = r < high ? LoadN(from + r * store.block_stride, wide) : Zero();
      }
      Transpose(square);
#pragma GCC unroll 16
      for (size_t c = 0; c < kLanes; c++) Store(square[c], strip[c] + i);
    }
    for (size_t c = 0; c < wide; c++) StoreRun(strip[c], store.rows, store.out + (j + c) * store.out_stride, store.streamed);
  }
  if (store.streamed) StreamFence();
}

}  // namespace
}  // namespace hypersphere
