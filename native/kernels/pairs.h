// Sums over pairs of rows in 16 virtual lanes, folded by one fixed tree, so every level gives the same bits. One row of x
// against kPairs rows of y at a time: each vector of x is loaded once for all of them, and the kPairs sums are enough
// independent chains to hide the latency of one. Nothing is packed; the lanes stay in registers over the whole row.
#pragma once

#include "../api.h"
#include "../simd/vec.h"

namespace hypersphere {
namespace {

constexpr size_t kVirtualLanes = 16;
constexpr size_t kParts = kVirtualLanes / kLanes;
#if defined(HYPERSPHERE_LEVEL_CUDA)
constexpr size_t kPairs = 1;  // other threads hide the latency
#else
constexpr size_t kPairs = kParts > 2 ? 2 : 4;
#endif

// sums[p] = Σ_k of what `term(x_k, y_k, sum)` adds to the sum, for the rows y[0 … kPairs).
template <class Term>
HYPERSPHERE_INLINE void PairSums(const float* x, const float* const (&y)[kPairs], size_t d, const Term& term, float (&sums)[kPairs]) {
  V lanes[kPairs][kParts] = {};
  size_t k = 0;
  for (; k + kVirtualLanes <= d; k += kVirtualLanes) {
#pragma GCC unroll 4
    for (size_t part = 0; part < kParts; part++) {
      const size_t at = k + part * kLanes;
      const V a = Load(x + at);
#pragma GCC unroll 4
      for (size_t p = 0; p < kPairs; p++) lanes[p][part] = term(a, Load(y[p] + at), lanes[p][part], p);
    }
  }
#pragma GCC unroll 4
  for (size_t part = 0; part < kParts; part++) {
    const size_t at = k + part * kLanes;
    if (at >= d) break;
    const size_t n = Least(kLanes, d - at);
    const V a = LoadN(x + at, n);
#pragma GCC unroll 4
    for (size_t p = 0; p < kPairs; p++) lanes[p][part] = FirstN(n, term(a, LoadN(y[p] + at, n), lanes[p][part], p), lanes[p][part]);
  }
#pragma GCC unroll 4
  for (size_t p = 0; p < kPairs; p++) {
#pragma GCC unroll 2
    for (size_t half = kParts / 2; half > 0; half /= 2) {
#pragma GCC unroll 2
      for (size_t part = 0; part < half; part++) lanes[p][part] += lanes[p][part + half];
    }
    sums[p] = FoldLanes(lanes[p][0]);
  }
}

#if !defined(HYPERSPHERE_LEVEL_CUDA)
// Two rows of x against kBlockCols rows of y: as many pairs as leave registers for their operands. Each row is loaded once for all of
// its pairs, so the arithmetic limits where PairSums waits for loads, and all pairs are folded together.
#if defined(HYPERSPHERE_LEVEL_AVX512) || defined(HYPERSPHERE_LEVEL_NEON)
constexpr size_t kBlockPairs = 16;
#else
constexpr size_t kBlockPairs = 8;
#endif
constexpr size_t kBlockCols = kBlockPairs / 2;

// The tree of FoldLanes for kCount vectors at once: at each step the two halves of a vector are added, and the sums of two vectors
// share one. Lane l of lanes[v], v a multiple of kLanes, becomes the sum of vector v + l.
template <size_t kBy, size_t kCount>
HYPERSPHERE_INLINE void FoldTogether(V (&lanes)[kCount]) {
#pragma GCC unroll 16
  for (size_t v = 0; v < kCount; v += kLanes) {
#pragma GCC unroll 16
    for (size_t i = v; i < v + kBy; i++) {
      lanes[i] = MergeLow<kBy>(lanes[i], lanes[i + kBy], Lanes()) + MergeHigh<kBy>(lanes[i], lanes[i + kBy], Lanes());
    }
  }
  if constexpr (kBy > 1) return FoldTogether<kBy / 2>(lanes);
}

// Squared differences with the bits of PairSums, of x[r] and y[c] in lane r·kBlockCols + c of the vectors. The row of y comes
// first in the difference: the compiler would else load it from memory for each row of x again.
HYPERSPHERE_INLINE void BlockSums(const float* const (&x)[2], const float* const (&y)[kBlockCols], size_t d, V (&sums)[kBlockPairs / kLanes]) {
  V total[kParts][kBlockPairs];
  const size_t whole = d / kVirtualLanes * kVirtualLanes;
#pragma GCC unroll 4
  for (size_t part = 0; part < kParts; part++) {
    V lanes[kBlockPairs] = {};
    size_t k = part * kLanes;
    for (; k < whole; k += kVirtualLanes) {
      const V a[2] = {Load(x[0] + k), Load(x[1] + k)};
#pragma GCC unroll 8
      for (size_t c = 0; c < kBlockCols; c++) {
        const V b = Load(y[c] + k), first = b - a[0], second = b - a[1];
        lanes[c] = Fma(first, first, lanes[c]);
        lanes[kBlockCols + c] = Fma(second, second, lanes[kBlockCols + c]);
      }
    }
    if (k < d) {
      const size_t n = Least(kLanes, d - k);
      const V a[2] = {LoadN(x[0] + k, n), LoadN(x[1] + k, n)};
#pragma GCC unroll 8
      for (size_t c = 0; c < kBlockCols; c++) {
        const V b = LoadN(y[c] + k, n), first = b - a[0], second = b - a[1];  // 0 past the end, which leaves a sum as it is
        lanes[c] = Fma(first, first, lanes[c]);
        lanes[kBlockCols + c] = Fma(second, second, lanes[kBlockCols + c]);
      }
    }
#pragma GCC unroll 16
    for (size_t p = 0; p < kBlockPairs; p++) total[part][p] = lanes[p];
  }
#pragma GCC unroll 2
  for (size_t half = kParts / 2; half > 0; half /= 2) {
#pragma GCC unroll 2
    for (size_t part = 0; part < half; part++) {
#pragma GCC unroll 16
      for (size_t p = 0; p < kBlockPairs; p++) total[part][p] += total[part + half][p];
    }
  }
  FoldTogether<kLanes / 2>(total[0]);
#pragma GCC unroll 4
  for (size_t v = 0; v < kBlockPairs / kLanes; v++) sums[v] = total[0][v * kLanes];
}
#endif

// The same tree in float64, for the rare pairs and for what is needed once a row. The compiler may run it in vectors of any
// width: separate multiplications and additions give one result.
template <class Term>
HYPERSPHERE_INLINE double WideSum(size_t d, const Term& term) {
  double lanes[kVirtualLanes] = {};
  size_t k = 0;
  for (; k + kVirtualLanes <= d; k += kVirtualLanes) {
    for (size_t l = 0; l < kVirtualLanes; l++) lanes[l] += term(k + l);
  }
  for (size_t l = 0; k + l < d; l++) lanes[l] += term(k + l);
  for (size_t half = kVirtualLanes / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; l++) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

HYPERSPHERE_INLINE double WideDot(const float* x, const float* y, size_t d) {
  return WideSum(d, [=](size_t k) { return static_cast<double>(x[k]) * static_cast<double>(y[k]); });
}


// A row's norm as the cosine metrics use it; the comparison lets NaN through to where it matters, the product of rows.
HYPERSPHERE_INLINE double WideLength(const float* x, size_t d) {
  const double norm = __builtin_sqrt(WideDot(x, x, d));
  return norm > kShortest ? norm : kShortest;
}

__attribute__((noinline)) double WideCosine(const float* x, const float* y, size_t d) {
  return WideDot(x, y, d) / (WideLength(x, d) * WideLength(y, d));
}

// Squared differences are used as they come where nothing can have overflowed or vanished in float32.
constexpr float kSmallestSafeSquare = 0x1p-90f;
HYPERSPHERE_INLINE bool SafeSquare(float square) { return square > kSmallestSafeSquare && square < __builtin_inff(); }

struct SquaredDifference {
  HYPERSPHERE_INLINE V operator()(V a, V b, V sum, size_t) const {
    const V diff = a - b;
    return Fma(diff, diff, sum);
  }
};

struct ScaledSquaredDifference {
  float scale;
  HYPERSPHERE_INLINE V operator()(V a, V b, V sum, size_t) const {
    const V diff = (a - b) * Set(scale);
    return Fma(diff, diff, sum);
  }
};

// ‖x − y‖² or its root where the plain sum left the safe range: once more with the differences scaled by a power of two.
__attribute__((noinline)) float ScaledDistance(const float* x, const float* y, size_t d, bool large, bool root) {
  const float scale = large ? 0x1p-100f : 0x1p100f, back = large ? 0x1p100f : 0x1p-100f;
  const float* rows[kPairs];
  for (const float*& row : rows) row = y;
  float sums[kPairs];
  PairSums(x, rows, d, ScaledSquaredDifference{scale}, sums);
  return root ? __builtin_sqrtf(sums[0]) * back : sums[0] * back * back;
}

// Σ(x − y − mean)², vectors of the pairs' own means.
struct CentredSquaredDifference {
  float means[kPairs];
  HYPERSPHERE_INLINE V operator()(V a, V b, V sum, size_t p) const {
    const V diff = (a - b) - Set(means[p]);
    return Fma(diff, diff, sum);
  }
};

// The same where the float32 sum left its safe range.
__attribute__((noinline)) double WideNoise(const float* x, const float* y, size_t d, double mean) {
  return WideSum(d, [=](size_t k) {
    const double diff = static_cast<double>(x[k]) - static_cast<double>(y[k]) - mean;
    return diff * diff;
  });
}

HYPERSPHERE_HOST_DEVICE void RowMoments(const float* x, size_t rows, size_t d, bool about_mean, Moments* moments) {
  for (size_t i = 0; i < rows; i++) {
    const float* row = x + i * d;
    const double mean = about_mean ? WideSum(d, [=](size_t k) { return static_cast<double>(row[k]); }) / static_cast<double>(d) : 0;
    const double spread = WideSum(d, [=](size_t k) {
      const double diff = static_cast<double>(row[k]) - mean;
      return diff * diff;
    });
    moments[i] = {mean, spread};
  }
}

}  // namespace
}  // namespace hypersphere
