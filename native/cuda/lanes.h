// The vector of simd/vec.h on a GPU: 16 threads of a warp that go through one row together, each with one lane. A sum over lanes takes the
// tree of the CPU's vectors by shuffles, and every thread of the group ends with it. A thread reads and writes only its own lane of an
// array, so passes over one array from one start need no fence.
#pragma once

#include "device.h"

namespace hypersphere {
namespace {

constexpr size_t kLanes = 16, kGroupsOfBlock = 16;

typedef float V;
typedef int32_t VI;
typedef uint32_t VU;

HYPERSPHERE_DEVICE unsigned Lane() { return threadIdx.x % 16; }
HYPERSPHERE_DEVICE uint32_t GroupMask() { return 0xffffu << (threadIdx.x & 16); }
HYPERSPHERE_DEVICE bool FirstLane() { return Lane() == 0; }

HYPERSPHERE_DEVICE V Load(const float* p) { return p[Lane()]; }
HYPERSPHERE_DEVICE void Store(V v, float* p) { p[Lane()] = v; }
HYPERSPHERE_DEVICE V LoadN(const float* p, size_t n) { return Lane() < n ? p[Lane()] : 0; }
HYPERSPHERE_DEVICE void StoreN(V v, float* p, size_t n) {
  if (Lane() < n) p[Lane()] = v;
}
HYPERSPHERE_DEVICE bool OwnLane(size_t k) { return k % kLanes == Lane(); }
HYPERSPHERE_DEVICE size_t OwnFirst() { return Lane(); }
constexpr size_t kOwnStep = kLanes;
HYPERSPHERE_DEVICE void GroupFence() { SyncWarp(GroupMask()); }
// In shared memory, where the lanes of a group lie side by side: an array of a thread would be 16 times as long for the same elements.
#define HYPERSPHERE_ROW_BUFFER(name, count)              \
  SHARED_ARRAY(float, name##_of_all, (count) * kGroupsOfBlock); \
  float* const name = name##_of_all + threadIdx.x / kLanes * (count)
#define HYPERSPHERE_GROUP_BUFFER(T, name, count)             \
  SHARED_ARRAY(T, name##_of_all, (count) * kGroupsOfBlock); \
  T* const name = name##_of_all + threadIdx.x / kLanes * (count)
// The row of this thread's group, or of this thread, counted over the grid.
HYPERSPHERE_DEVICE size_t GroupRow() { return static_cast<size_t>(blockIdx.x) * kGroupsOfBlock + threadIdx.x / kLanes; }
HYPERSPHERE_DEVICE size_t ThreadRow() { return static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
HYPERSPHERE_DEVICE V Zero() { return 0; }
HYPERSPHERE_DEVICE V Set(float x) { return x; }
HYPERSPHERE_DEVICE V Fma(V a, V b, V c) { return __builtin_fmaf(a, b, c); }
HYPERSPHERE_DEVICE V Sqrt(V a) { return __builtin_sqrtf(a); }
HYPERSPHERE_DEVICE V Abs(V a) { return __builtin_fabsf(a); }
HYPERSPHERE_DEVICE V FirstN(size_t n, V yes, V no) { return Lane() < n ? yes : no; }
HYPERSPHERE_DEVICE uint32_t NotGreaterBits(V a, V b) { return Ballot(GroupMask(), !(a > b)) >> (threadIdx.x & 16) & 0xffff; }
HYPERSPHERE_DEVICE VU AsBits(V v) {
  VU bits;
  __builtin_memcpy(&bits, &v, sizeof(bits));
  return bits;
}
HYPERSPHERE_DEVICE V AsFloats(VU bits) {
  V v;
  __builtin_memcpy(&v, &bits, sizeof(v));
  return v;
}
HYPERSPHERE_DEVICE V FromIntegers(VI v) { return static_cast<float>(v); }
HYPERSPHERE_DEVICE VI AsIntegers(VU v) { return static_cast<int32_t>(v); }

HYPERSPHERE_DEVICE float FoldLanes(V v) {
  const uint32_t mask = GroupMask();
  v += ShuffleXor(mask, v, 8);
  v += ShuffleXor(mask, v, 4);
  v += ShuffleXor(mask, v, 2);
  return v + ShuffleXor(mask, v, 1);
}
HYPERSPHERE_DEVICE float FirstOf(V v) { return v; }
// From the first lane to all: of zeros with either sign each thread would else keep its own.
HYPERSPHERE_DEVICE float MaxOfLanes(V v) {
  const uint32_t mask = GroupMask();
  for (int by = 8; by > 0; by /= 2) {
    const V other = ShuffleXor(mask, v, by);
    v = other > v ? other : v;
  }
  return Shuffle(mask, v, static_cast<int>(threadIdx.x & 16));
}

// sum plus the lanes' terms one after the other, in the order of the lanes.
HYPERSPHERE_DEVICE double AddInOrder(double sum, double term) {
  const uint32_t mask = GroupMask();
  for (int lane = 0; lane < static_cast<int>(kLanes); lane++) sum += Shuffle(mask, term, static_cast<int>(threadIdx.x & 16) + lane);
  return sum;
}
HYPERSPHERE_DEVICE bool AnyOfLanes(bool predicate) { return Ballot(GroupMask(), predicate) != 0; }
HYPERSPHERE_DEVICE uint64_t LeastOfLanes(uint64_t v) {
  for (int by = 8; by > 0; by /= 2) {
    const uint64_t other = ShuffleXor(GroupMask(), v, by);
    v = other < v ? other : v;
  }
  return v;
}

}  // namespace
}  // namespace hypersphere
