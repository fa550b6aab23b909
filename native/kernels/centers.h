// Rows against their class's center, and a class's rows summed onto its center. Fused: a row's squared distance and its
// gradient in one pass over the row and its center; a class's differences, their sum and the center's move in one pass over
// the columns. In registers: the lanes of the squared distance; eight vectors of a center and of its sum, one accumulator an
// element in order of the rows, so vector width leaves no trace. Memory is the limit: nothing is packed, nothing stored twice.
#pragma once

#include "rows.h"

namespace hypersphere {
namespace {

// A row whose squared distance left float32's safe range, once more in float64.
__attribute__((noinline)) double WideCenterRow(const float* x, const float* center, size_t d, double factor, float* grad) {
  for (size_t k = OwnFirst(); grad != nullptr && k < d; k += kOwnStep) {
    grad[k] = static_cast<float>(factor * (static_cast<double>(x[k]) - static_cast<double>(center[k])));
  }
  return WideNoise(x, center, d, 0);
}

template <bool kGradient>
HYPERSPHERE_INLINE float CenterRow(const float* x, const float* center, size_t d, float factor, float* grad) {
  float square[1];
  RowSums(d, [=](size_t k, size_t n, V(&sum)[1]) {
    const V diff = LoadUpTo(x + k, n) - LoadUpTo(center + k, n);
    sum[0] = Fma(diff, diff, sum[0]);
    if constexpr (kGradient) StoreUpTo(diff * Set(factor), grad + k, n);
  }, square);
  return square[0];
}

HYPERSPHERE_HOST_DEVICE void SquareCenterRows(const CenterRows& block) {
  const size_t d = block.d;
  const float factor = static_cast<float>(block.factor);
  for (size_t i = 0; i < block.rows; i++) {
    const float* x = block.x + i * d;
    const float* center = block.centers + static_cast<size_t>(block.labels[i]) * d;
    float* grad = block.grad_x == nullptr ? nullptr : block.grad_x + i * d;
    const float square = grad == nullptr ? CenterRow<false>(x, center, d, factor, grad) : CenterRow<true>(x, center, d, factor, grad);
    const double exact = SafeSquare(square) ? static_cast<double>(square) : WideCenterRow(x, center, d, block.factor, grad);
    if (!OwnLane(0)) continue;
    block.squares[i] = exact;
    block.per_example[i] = static_cast<float>(exact);
  }
}

// kVectors whole vectors from column k on, or with one of them its first n lanes.
template <size_t kVectors>
HYPERSPHERE_INLINE void SumVectors(const CenterSum& sum, size_t k, size_t n = kLanes) {
  V centers[kVectors], sums[kVectors];
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; v++) {
    centers[v] = LoadUpTo(sum.center + k + v * kLanes, n);
    sums[v] = Zero();
  }
  for (size_t t = 0; t < sum.count; t++) {
    const float* x = sum.x + sum.rows[t] * sum.stride + k;
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; v++) sums[v] += centers[v] - LoadUpTo(x + v * kLanes, n);
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; v++) {
    const V value = sum.from_center ? Fma(Set(-sum.factor), sums[v], centers[v]) : Set(sum.factor) * sums[v];
    StoreUpTo(value, sum.out + k + v * kLanes, n);
  }
}

HYPERSPHERE_HOST_DEVICE void SumToCenter(const CenterSum& sum) {
  // Half of the registers for the sums, half for the centers they are taken from; 16 in all below AVX-512.
  constexpr size_t kMost = kLanes == 16 ? 8 : 4;
  size_t k = 0;
  for (; k + kMost * kLanes <= sum.cols; k += kMost * kLanes) SumVectors<kMost>(sum, k);
  for (; k + kLanes <= sum.cols; k += kLanes) SumVectors<1>(sum, k);
  if (k < sum.cols) SumVectors<1>(sum, k, sum.cols - k);
}

}  // namespace
}  // namespace hypersphere
