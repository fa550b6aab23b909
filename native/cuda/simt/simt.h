// The words that kernel sources are written in (device.h), for a C++ compiler: a stand-in for a GPU that runs the kernels themselves. A fiber
// is a CUDA thread and blocks run one after another, so results are the kernels' own; times say nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HYPERSPHERE_KERNEL extern "C"
#define HYPERSPHERE_KERNEL_BLOCKS(blocks) extern "C"
#define HYPERSPHERE_DEVICE inline
// One array a block for each place in the source, as on the device, and NaN at first.
#define SHARED_ARRAY(T, name, count) \
  static const char name##_place = 0; \
  T* const name = static_cast<T*>(::hypersphere::simt::SharedArray(&name##_place, sizeof(T) * (count)))
// Numbered, so that barriers of two branches on one line are told apart.
#define SyncThreads() ::hypersphere::simt::BlockBarrier(__COUNTER__)
#define threadIdx (::hypersphere::simt::Now().thread)
#define blockIdx (::hypersphere::simt::Now().block)
#define blockDim (::hypersphere::simt::Now().block_size)

namespace hypersphere {
namespace simt {

struct Index {
  unsigned x, y, z;
};
struct Position {
  Index thread, block, block_size;
};

const Position& Now();
void* SharedArray(const void* place, size_t bytes);
void BlockBarrier(int site);
enum class Word { kShuffleXor, kShuffle, kBallot, kSync, kProduct };
// Waits for the lanes of the mask and hands over what each of them brought: [32], of which the caller reads `source`. All come by the same word and,
// where words are numbered, to the same one.
const uint64_t* Exchange(Word word, uint32_t mask, uint64_t value, unsigned source, int site = 0);

// Runs body(arguments) for every thread of the grid. Null, or what was wrong.
const char* Launch(const Index& grid, const Index& block, void (*body)(void*), void* arguments);

template <class T>
T Received(const uint64_t* values, unsigned lane) {
  T value;
  memcpy(&value, values + lane, sizeof(value));
  return value;
}
template <class T>
uint64_t Sent(T value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(value));
  return bits;
}

}  // namespace simt

// Lanes of a block in one dimension, as all of ours are.
template <class T>
T ShuffleXor(uint32_t mask, T v, int x) {
  const unsigned source = threadIdx.x % 32 ^ static_cast<unsigned>(x);
  return simt::Received<T>(simt::Exchange(simt::Word::kShuffleXor, mask, simt::Sent(v), source), source);
}
template <class T>
T Shuffle(uint32_t mask, T v, int lane) {
  const unsigned source = static_cast<unsigned>(lane) % 32;
  return simt::Received<T>(simt::Exchange(simt::Word::kShuffle, mask, simt::Sent(v), source), source);
}
inline uint32_t Ballot(uint32_t mask, bool predicate) {
  const uint64_t* const votes = simt::Exchange(simt::Word::kBallot, mask, predicate ? 1 : 0, threadIdx.x % 32);
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < 32; lane++) bits |= (mask >> lane & 1) != 0 && votes[lane] != 0 ? 1u << lane : 0;
  return bits;
}
inline unsigned LowestBit(uint32_t bits) { return static_cast<unsigned>(__builtin_ctz(bits)); }
inline unsigned LowestBit(uint64_t bits) { return static_cast<unsigned>(__builtin_ctzll(bits)); }
// Blocks do not run at the same time here, but a plain addition would be a race in ThreadSanitizer's eyes.
inline unsigned AtomicAdd(unsigned* at, unsigned by) { return __atomic_fetch_add(at, by, __ATOMIC_RELAXED); }
inline void AtomicLeast(uint64_t* at, uint64_t value) {
  uint64_t seen = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (value < seen && !__atomic_compare_exchange_n(at, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}
inline void SyncWarp(uint32_t mask) { simt::Exchange(simt::Word::kSync, mask, 0, threadIdx.x % 32); }

}  // namespace hypersphere
