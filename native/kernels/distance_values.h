// What a distance is, given the dot and the norms of two rows or their differences: shared by every tile shape and by the GPU.
// kernels/distances.h says which entries of a product are computed again, and why.
#pragma once

#include "pairs.h"

namespace hypersphere {
namespace {

constexpr float kShort = 0x1p-100f;
// Beyond this squared norm a row's inverse norm is set to NaN, which sends its cosines to float64.
constexpr float kLongestSquare = 0x1p120f;

HYPERSPHERE_INLINE float Threshold(size_t d) { return __builtin_sqrtf(static_cast<float>(d + 2)) * 0x1p-9f; }

HYPERSPHERE_HOST_DEVICE void InvertNorms(float* squared_norms, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float norm = __builtin_sqrtf(squared_norms[i]);
    const float length = norm > 1e-12f ? norm : 1e-12f;
    squared_norms[i] = squared_norms[i] <= kLongestSquare ? 1 / length : __builtin_nanf("");
  }
}

// (a·s − b·t)² as ((a − b)·(s + t)/2 + (a + b)·(s − t)/2)²: the rounding of a·s and b·t, which the difference of two near
// unit rows would not survive, never happens; and it is the same for (b, a).
struct UnitSquaredDifference {
  float means[kPairs], half_differences[kPairs];  // of the two inverse norms
  HYPERSPHERE_INLINE V operator()(V a, V b, V sum, size_t p) const {
    const V diff = Fma(a - b, Set(means[p]), (a + b) * Set(half_differences[p]));
    return Fma(diff, diff, sum);
  }
};

// One row's marked entries again, kPairs columns at a time; the last columns repeat where there are fewer.
template <Metric kMetric>
HYPERSPHERE_HOST_DEVICE __attribute__((noinline)) void Refine(const DistanceBlock& block, size_t row, size_t first_col, uint32_t marked, float* out) {
  const size_t d = block.d;
  const float* x = block.x + row * d;
  while (marked != 0) {
    size_t cols[kPairs];
    const float* y[kPairs];
    for (size_t p = 0; p < kPairs; p++) {
      cols[p] = marked != 0 || p == 0 ? static_cast<size_t>(__builtin_ctz(marked)) : cols[p - 1];
      marked &= marked - 1;
      y[p] = block.y + (first_col + cols[p]) * d;
    }
    float sums[kPairs];
    if constexpr (kMetric == Metric::kSquaredEuclidean || kMetric == Metric::kEuclidean) {
      constexpr bool kRoot = kMetric == Metric::kEuclidean;
      PairSums(x, y, d, SquaredDifference(), sums);
      for (size_t p = 0; p < kPairs; p++) {
        out[cols[p]] = !SafeSquare(sums[p]) ? ScaledDistance(x, y[p], d, !(sums[p] < 1), kRoot)
                       : kRoot              ? __builtin_sqrtf(sums[p])
                                            : sums[p];
      }
    } else if constexpr (kMetric == Metric::kCosineDistance) {
      UnitSquaredDifference term;
      const float scale = block.x_norms[row];
      for (size_t p = 0; p < kPairs; p++) {
        const float other = block.y_norms[first_col + cols[p]];
        term.means[p] = (scale + other) * 0.5f;
        term.half_differences[p] = (scale - other) * 0.5f;
      }
      PairSums(x, y, d, term, sums);
      for (size_t p = 0; p < kPairs; p++) {
        const float other = block.y_norms[first_col + cols[p]];
        // The form's own cancellation grows with the ratio of the norms, and rows shorter than the guard are not unit; a NaN
        // falls through as well.
        if (scale <= 2 * other && other <= 2 * scale && scale < 1e12f && other < 1e12f) {
          out[cols[p]] = sums[p] * 0.5f;
        } else {
          const float value = static_cast<float>(1 - WideCosine(x, y[p], d));
          out[cols[p]] = value < 0 ? 0 : value;
        }
      }
    } else {
      for (size_t p = 0; p < kPairs; p++) {
        const double value = kMetric == Metric::kDot ? WideDot(x, y[p], d) : WideCosine(x, y[p], d);
        out[cols[p]] = static_cast<float>(value);
      }
    }
  }
}

// Turns a tile of dots into distances; `marked` collects the lanes whose value the caller must compute again.
template <Metric kMetric>
HYPERSPHERE_INLINE V Finished(V dot, V x_norm, V y_norm, V tau, uint32_t& marked) {
  if constexpr (kMetric == Metric::kSquaredEuclidean || kMetric == Metric::kEuclidean) {
    const V squares = x_norm + y_norm;
    const V value = Fma(dot, Set(-2), squares);
    // Infinite though both norms are finite: −2ab may have pushed the sum over the edge, where a root would still fit.
    marked = NotGreaterBits(value, Fma(squares, tau, Set(kShort))) | NotGreaterBits(Set(__builtin_inff()), value);
    return kMetric == Metric::kEuclidean ? Sqrt(value) : value;
  } else if constexpr (kMetric == Metric::kCosineDistance) {
    const V value = Set(1) - dot * (x_norm * y_norm);
    marked = NotGreaterBits(value, tau);
    return value;
  } else if constexpr (kMetric == Metric::kCosineSimilarity) {
    const V value = dot * (x_norm * y_norm);
    marked = NotGreaterBits(value, Set(-2));
    return value;
  } else {
    marked = NotGreaterBits(Set(__builtin_inff()), Abs(dot));
    return dot;
  }
}

struct AbsoluteDifference {
  HYPERSPHERE_INLINE V operator()(V a, V b, V sum, size_t) const { return sum + Abs(a - b); }
};

HYPERSPHERE_INLINE void SnrOfRow(const DifferenceBlock& block, size_t row, size_t col, const float* const (&y)[kPairs], float (&out)[kPairs]) {
  const float* x = block.x + row * block.d;
  const Moments of_x = block.x_moments[row];
  double means[kPairs];
  CentredSquaredDifference term;
  for (size_t p = 0; p < kPairs; p++) {
    means[p] = of_x.mean - block.y_moments[Least(col + p, block.cols - 1)].mean;
    term.means[p] = static_cast<float>(means[p]);
  }
  float sums[kPairs];
  PairSums(x, y, block.d, term, sums);
  for (size_t p = 0; p < kPairs; p++) {
    // A mean that dwarfs the spread costs a − b its digits before the mean is taken off.
    const bool resolved = static_cast<double>(sums[p]) > static_cast<double>(block.d) * means[p] * means[p] * 0x1p-20;
    const double noise = SafeSquare(sums[p]) && resolved ? static_cast<double>(sums[p]) : WideNoise(x, y[p], block.d, means[p]);
    out[p] = of_x.spread == 0 ? 0 : static_cast<float>(noise / of_x.spread);
  }
}

}  // namespace
}  // namespace hypersphere
