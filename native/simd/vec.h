// One vector type per translation unit, over the vector extensions of GCC and Clang, with Highway's names. +, −, ×, ÷ and
// comparisons are the language's own; here is what it lacks. Everything has internal linkage: a function compiled for
// one level must never be the copy that the linker keeps for another.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(HYPERSPHERE_LEVEL_CUDA)
// None: sixteen threads are a vector.
#elif defined(HYPERSPHERE_LEVEL_AVX512) || defined(HYPERSPHERE_LEVEL_AVX2)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "../host_device.h"

#define HYPERSPHERE_INLINE HYPERSPHERE_HOST_DEVICE inline __attribute__((always_inline))

#if defined(HYPERSPHERE_LEVEL_CUDA)
#include "../cuda/lanes.h"
// What a loop calls seldom: apart from its code, but for a GPU, where a call costs the caller its registers.
#define HYPERSPHERE_APART HYPERSPHERE_INLINE
#else
#define HYPERSPHERE_APART __attribute__((noinline))

namespace hypersphere {
namespace {

#if defined(HYPERSPHERE_LEVEL_AVX512)
constexpr size_t kLanes = 16;
#elif defined(HYPERSPHERE_LEVEL_AVX2)
constexpr size_t kLanes = 8;
#else
constexpr size_t kLanes = 4;
#endif

typedef float V __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t VI __attribute__((vector_size(kLanes * sizeof(float))));
typedef float UnalignedV __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

HYPERSPHERE_INLINE V Load(const float* p) { return *reinterpret_cast<const UnalignedV*>(p); }
HYPERSPHERE_INLINE void Store(V v, float* p) { *reinterpret_cast<UnalignedV*>(p) = v; }
HYPERSPHERE_INLINE V Zero() { return V{}; }

// A store past the caches, to an address that is a multiple of the vector's size. StreamFence() comes before whatever tells
// another thread that the memory is written.
#if defined(HYPERSPHERE_LEVEL_AVX512)
HYPERSPHERE_INLINE void Stream(V v, float* p) { _mm512_stream_ps(p, v); }
HYPERSPHERE_INLINE void StreamFence() { _mm_sfence(); }
#elif defined(HYPERSPHERE_LEVEL_AVX2)
HYPERSPHERE_INLINE void Stream(V v, float* p) { _mm256_stream_ps(p, v); }
HYPERSPHERE_INLINE void StreamFence() { _mm_sfence(); }
#elif defined(__SSE2__)
HYPERSPHERE_INLINE void Stream(V v, float* p) { _mm_stream_ps(p, v); }
HYPERSPHERE_INLINE void StreamFence() { _mm_sfence(); }
#else
HYPERSPHERE_INLINE void Stream(V v, float* p) { Store(v, p); }
HYPERSPHERE_INLINE void StreamFence() {}
#endif

#if defined(HYPERSPHERE_LEVEL_AVX512)
HYPERSPHERE_INLINE V Set(float x) { return _mm512_set1_ps(x); }
HYPERSPHERE_INLINE V Fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
HYPERSPHERE_INLINE V Sqrt(V a) { return _mm512_maskz_sqrt_ps(0xffff, a); }  // the plain one warns in GCC 12
HYPERSPHERE_INLINE uint32_t NotGreaterBits(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_NGT_UQ); }
HYPERSPHERE_INLINE V LoadN(const float* p, size_t n) { return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p); }
HYPERSPHERE_INLINE void StoreN(V v, float* p, size_t n) { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v); }
#else
#if defined(HYPERSPHERE_LEVEL_AVX2)
HYPERSPHERE_INLINE V Set(float x) { return _mm256_set1_ps(x); }
HYPERSPHERE_INLINE V Fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
HYPERSPHERE_INLINE V Sqrt(V a) { return _mm256_sqrt_ps(a); }
HYPERSPHERE_INLINE uint32_t NotGreaterBits(V a, V b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NGT_UQ)));
}
#elif defined(HYPERSPHERE_LEVEL_NEON)
HYPERSPHERE_INLINE V Set(float x) { return V(vdupq_n_f32(x)); }
HYPERSPHERE_INLINE V Fma(V a, V b, V c) { return V(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b))); }
HYPERSPHERE_INLINE V Sqrt(V a) { return V(vsqrtq_f32(float32x4_t(a))); }
HYPERSPHERE_INLINE uint32_t NotGreaterBits(V a, V b) {
  const VI bit = {1, 2, 4, 8};
  return vaddvq_u32(uint32x4_t(~(a > b) & bit));
}
#else  // baseline: no fused multiply-add, so right within tolerance but not bit-equal to the other levels
HYPERSPHERE_INLINE V Set(float x) { return V{x, x, x, x}; }
HYPERSPHERE_INLINE V Fma(V a, V b, V c) { return a * b + c; }
HYPERSPHERE_INLINE V Sqrt(V a) {
  for (size_t i = 0; i < kLanes; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
HYPERSPHERE_INLINE uint32_t NotGreaterBits(V a, V b) {
#if defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpngt_ps(a, b)));
#else
  uint32_t bits = 0;
  for (size_t i = 0; i < kLanes; i++) bits |= a[i] > b[i] ? 0u : 1u << i;
  return bits;
#endif
}
#endif
HYPERSPHERE_INLINE V LoadN(const float* p, size_t n) {
  V v = Zero();
  __builtin_memcpy(&v, p, n * sizeof(float));
  return v;
}
HYPERSPHERE_INLINE void StoreN(V v, float* p, size_t n) { __builtin_memcpy(p, &v, n * sizeof(float)); }
#endif

// Bits are shifted and added unsigned, where what runs over is defined.
typedef uint32_t VU __attribute__((vector_size(kLanes * sizeof(float))));
HYPERSPHERE_INLINE VU AsBits(V v) { return reinterpret_cast<VU>(v); }
HYPERSPHERE_INLINE V AsFloats(VU v) { return reinterpret_cast<V>(v); }
HYPERSPHERE_INLINE VI AsIntegers(VU v) { return reinterpret_cast<VI>(v); }
HYPERSPHERE_INLINE V FromIntegers(VI v) { return __builtin_convertvector(v, V); }

HYPERSPHERE_INLINE V Abs(V a) { return reinterpret_cast<V>(reinterpret_cast<VI>(a) & 0x7fffffff); }

// Lanes before n from `yes`, the others from `no`.
HYPERSPHERE_INLINE V FirstN(size_t n, V yes, V no) {
  VI lane;
  for (size_t i = 0; i < kLanes; i++) lane[i] = static_cast<int32_t>(i);
  return lane < static_cast<int32_t>(n) ? yes : no;
}

template <size_t... I>
struct LaneList {};
template <size_t N, size_t... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <size_t... I>
struct MakeLanes<0, I...> {
  using Type = LaneList<I...>;
};
using Lanes = MakeLanes<kLanes>::Type;

template <size_t kBy, size_t... I>
HYPERSPHERE_INLINE V Rotate(V v, LaneList<I...>) {
  return __builtin_shufflevector(v, v, ((I + kBy) % kLanes)...);
}

// Lane 0 of the sum by halves: lane l takes lane l + kLanes/2, then l + kLanes/4, …
template <size_t kBy = kLanes / 2>
HYPERSPHERE_INLINE float FoldLanes(V v) {
  v += Rotate<kBy>(v, Lanes());
  if constexpr (kBy > 1) return FoldLanes<kBy / 2>(v);
  return v[0];
}

template <size_t kBy, size_t... I>
HYPERSPHERE_INLINE V MergeLow(V a, V b, LaneList<I...>) {
  return __builtin_shufflevector(a, b, (I & kBy ? kLanes + I - kBy : I)...);
}
template <size_t kBy, size_t... I>
HYPERSPHERE_INLINE V MergeHigh(V a, V b, LaneList<I...>) {
  return __builtin_shufflevector(a, b, (I & kBy ? kLanes + I : I + kBy)...);
}

// Transposes kLanes vectors in place by exchanging off-diagonal blocks of doubling size.
template <size_t kBy = 1>
HYPERSPHERE_INLINE void Transpose(V (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) {
    if (i & kBy) continue;
    const V low = MergeLow<kBy>(rows[i], rows[i + kBy], Lanes());
    rows[i + kBy] = MergeHigh<kBy>(rows[i], rows[i + kBy], Lanes());
    rows[i] = low;
  }
  if constexpr (kBy * 2 < kLanes) Transpose<kBy * 2>(rows);
}

HYPERSPHERE_INLINE float FirstOf(V v) { return v[0]; }
// NaN never wins.
HYPERSPHERE_INLINE float MaxOfLanes(V v) {
  float max = v[0];
  for (size_t l = 1; l < kLanes; l++) max = v[l] > max ? v[l] : max;
  return max;
}

HYPERSPHERE_INLINE bool AnyOfLanes(VI v) {
  int32_t any = v[0];
  for (size_t l = 1; l < kLanes; l++) any |= v[l];
  return any != 0;
}

// Where a row belongs to several threads, as on a GPU, one of them writes its element k: the elements from OwnFirst() on, kOwnStep apart, are a
// thread's own, and GroupFence() shows it what the others have written. Here there is but one thread.
HYPERSPHERE_INLINE bool OwnLane(size_t) { return true; }
HYPERSPHERE_INLINE size_t OwnFirst() { return 0; }
constexpr size_t kOwnStep = 1;
HYPERSPHERE_INLINE void GroupFence() {}
// Part of a row, of which a thread touches its own elements alone.
#define HYPERSPHERE_ROW_BUFFER(name, count) alignas(64) float name[count]
// What the threads of a row share.
#define HYPERSPHERE_GROUP_BUFFER(T, name, count) T name[count]

}  // namespace
}  // namespace hypersphere

#endif

namespace hypersphere {
namespace {

HYPERSPHERE_INLINE uint32_t BitsOf(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}
HYPERSPHERE_INLINE size_t Least(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace
}  // namespace hypersphere
