// How the k columns of a class become one: the best of them, or SoftTriple's choice by their own softmax. A vector holds as many classes
// (planes.h) and k runs through registers; all of a row lies in the first level of cache.
#pragma once

#include "planes.h"

namespace hypersphere {
namespace {

// The first of the greatest; a NaN only where all are.
HYPERSPHERE_INLINE V BestOf(const Planes& planes, size_t c, VI& best) {
  V most = planes.At(0, c);
  best = VI{};
  for (size_t r = 1; r < planes.k; r++) {
    const V z = planes.At(r, c);
    const VI better = (z > most) | ((most != most) & (z == z));
    most = Choose(better, z, most);
    best = better ? VI{} + static_cast<int32_t>(r) : best;
  }
  return most;
}

// Σ w·c / Σ w with w = exp((c − most)/γ); leaves the sum of the weights.
HYPERSPHERE_INLINE V SoftlyChosen(const Planes& planes, size_t c, V most, V inverse_gamma, V& sum) {
  V chosen = Zero();
  sum = Zero();
  for (size_t r = 0; r < planes.k; r++) {
    const V z = planes.At(r, c), weight = ExpOfNegative((z - most) * inverse_gamma);
    sum += weight;
    chosen = Fma(weight, z, chosen);
  }
  return chosen / sum;
}

// One number of each group of k columns; whole virtual lanes of `pooled` are written.
HYPERSPHERE_INLINE void PoolRow(const ColumnRule& rule, const float* columns, size_t classes, float* pooled) {
  const Planes planes(columns, rule.k, classes);
  for (size_t c = 0; c < planes.stride; c += kLanes) {
    VI best;
    V sum;
    const V most = BestOf(planes, c, best);
    Store(rule.pooling == Pooling::kBest ? most : Set(rule.soft_scale) * SoftlyChosen(planes, c, most, Set(rule.inverse_gamma), sum), pooled + c);
  }
}

// From the gradients of the classes to those of their columns.
HYPERSPHERE_INLINE void ShareAmongColumns(const ColumnRule& rule, const float* columns, size_t classes, const float* gradients, float* shares) {
  Planes planes(columns, rule.k, classes);
  for (size_t c = 0; c < planes.stride; c += kLanes) {
    const V gradient = Load(gradients + c), inverse_gamma = Set(rule.inverse_gamma);
    VI best;
    V sum;
    const V most = BestOf(planes, c, best);
    const bool soft = rule.pooling == Pooling::kSoft;
    const V chosen = soft ? SoftlyChosen(planes, c, most, inverse_gamma, sum) : most, scaled = soft ? gradient * Set(rule.soft_scale) / sum : gradient;
    for (size_t r = 0; r < planes.k; r++) {
      const V z = planes.At(r, c);
      const V share = soft ? ExpOfNegative((z - most) * inverse_gamma) * Fma(z - chosen, inverse_gamma, Set(1)) * scaled
                           : Choose(best == static_cast<int32_t>(r), scaled, Zero());
      planes.Put(share, r, c, shares);
    }
  }
  planes.Interleave(shares);
}

}  // namespace
}  // namespace hypersphere
