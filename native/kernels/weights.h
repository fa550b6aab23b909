// Rows of class weights around the products of a head: their lengths before, and after it the way of their gradients through
// the normalisation, and the optimiser's step. A row is read a few times in a row and so found in the first level of cache; its
// sums stay in registers. Everything here is bound by memory.
#pragma once

#include "rows.h"

namespace hypersphere {
namespace {

HYPERSPHERE_HOST_DEVICE void UnitScales(const float* rows, size_t count, size_t d, float* scales) {
  for (size_t i = 0; i < count; i++, rows += d) {
    float square[1];
    RowSums(d, [=](size_t k, size_t n, V(&sum)[1]) {
      const V a = LoadUpTo(rows + k, n);
      sum[0] = Fma(a, a, sum[0]);
    }, square);
    const double norm = SafeSquare(square[0]) ? __builtin_sqrt(static_cast<double>(square[0])) : __builtin_sqrt(WideDot(rows, rows, d));
    if (OwnLane(0)) scales[i] = static_cast<float>(1 / (norm < kShortest ? kShortest : norm));
  }
}

HYPERSPHERE_INLINE bool AllZero(const float* row, size_t d) {
  size_t k = 0;
  while (k < d && row[k] == 0) k++;
  return k == d;
}

// The gradients hold the factor 1/‖w‖ already, so only the part along ŵ has to go. Up to kShortest the divisor was a constant.
// A row of zeros has no direction: its gradient is defined as 0.
HYPERSPHERE_HOST_DEVICE void ThroughUnitRows(const UnitRows& of) {
  for (size_t i = 0; i < of.count; i++) {
    const float scale = of.scales[i];
    const float* row = of.rows + i * of.d;
    float* gradient = of.gradients + i * of.d;
    if (scale >= static_cast<float>(1 / kShortest)) {
      if (AllZero(row, of.d)) AlongRow(of.d, [=](size_t k, size_t n) { StoreUpTo(Zero(), gradient + k, n); });
      continue;
    }
    float radial[1];
    RowSums(of.d, [=](size_t k, size_t n, V(&sum)[1]) { sum[0] = Fma(LoadUpTo(row + k, n) * Set(scale), LoadUpTo(gradient + k, n), sum[0]); }, radial);
    AlongRow(of.d, [=](size_t k, size_t n) {
      StoreUpTo(Fma(Set(-radial[0]), LoadUpTo(row + k, n) * Set(scale), LoadUpTo(gradient + k, n)), gradient + k, n);
    });
  }
}

HYPERSPHERE_HOST_DEVICE void UpdateWeights(const UpdateBlock& of) {
  const V rate = Set(-of.learning_rate), momentum = Set(of.momentum), decay = Set(of.weight_decay), eps = Set(of.eps);
  AlongRow(of.count, [&](size_t k, size_t n) {
    const V w = LoadUpTo(of.weights + k, n);
    V g = Fma(decay, w, LoadUpTo(of.gradients + k, n));
    if (of.rule == Rule::kAdaGrad) {
      const V state = Fma(g, g, LoadUpTo(of.state + k, n));
      StoreUpTo(state, of.state + k, n);
      g = g / (Sqrt(state) + eps);
    } else if (of.state != nullptr) {
      g = Fma(momentum, LoadUpTo(of.state + k, n), g);
      StoreUpTo(g, of.state + k, n);
    }
    StoreUpTo(Fma(rate, g, w), of.weights + k, n);
  });
}

// To the nearest, ties to even; a NaN keeps its upper half and becomes quiet.
HYPERSPHERE_HOST_DEVICE void Narrow(const float* x, size_t count, uint16_t* out) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = BitsOf(x[i]), rounded = bits + 0x7fffu + (bits >> 16 & 1);
    out[i] = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40 : rounded >> 16);
  }
}

HYPERSPHERE_INLINE uint32_t Mixed(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ h >> 16;
}

// Up with the probability of the part that is cut off.
HYPERSPHERE_HOST_DEVICE void NarrowStochastic(const float* x, size_t count, const RoundingNoise& noise, uint16_t* out) {
  const uint32_t seed = Mixed(noise.seed), first = static_cast<uint32_t>(noise.first), shift = noise.high_half ? 16 : 0;
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = BitsOf(x[i]), added = bits + (Mixed(seed + first + static_cast<uint32_t>(i)) >> shift & 0xffffu);
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    out[i] = static_cast<uint16_t>(finite ? added >> 16 : (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40 : bits >> 16);
  }
}

}  // namespace
}  // namespace hypersphere
