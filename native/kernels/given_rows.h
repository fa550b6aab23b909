// Contrastive and triplet loss of rows whose partners are given. Fused: all distances of a row in one pass over it and its partners, the
// term and its slope from them, and all gradients in a second pass, which finds the rows in the first level of cache: memory is read once
// and written once, and that is the limit. In registers: the lanes of up to three sums. What happens once a row is done in float64.
//
// A row is done in float64 throughout where float32 would not do: a sum of squares may have overflowed or vanished, an `eps` may have
// cancelled most of a difference, a factor or the term is beyond float32's range or no number.
#pragma once

#include "centers.h"

namespace hypersphere {
namespace {

// Whether float32 keeps the factor, and its products with what is left of a safe square, without loss.
HYPERSPHERE_INLINE bool PlainFactor(double factor) {
  const double size = factor < 0 ? -factor : factor;
  return size > 0x1p-100 && size < 0x1p100;
}

HYPERSPHERE_INLINE void ClearRow(float* row, size_t d, float value = 0) {
  if (row == nullptr) return;
  AlongRow(d, [=](size_t k, size_t n) { StoreUpTo(Set(value), row + k, n); });
}

HYPERSPHERE_INLINE void StoreWanted(V v, float* row, size_t k, size_t n) {
  if (row != nullptr) StoreUpTo(v, row + k, n);
}

HYPERSPHERE_INLINE void StoreWide(double value, float* row, size_t k) {
  if (row != nullptr) row[k] = static_cast<float>(value);
}

template <class Block>
HYPERSPHERE_INLINE void StoreTerm(const Block& block, size_t i, double value) {
  if (!OwnLane(0)) return;
  block.values[i] = value;
  block.per_example[i] = static_cast<float>(value);
}

__attribute__((noinline)) void WidePairGradient(const float* x1, const float* x2, size_t d, double factor, float* g1, float* g2) {
  for (size_t k = OwnFirst(); k < d; k += kOwnStep) {
    const double to = factor * (static_cast<double>(x1[k]) - static_cast<double>(x2[k]));
    StoreWide(to, g1, k);
    StoreWide(-to, g2, k);
  }
}

HYPERSPHERE_HOST_DEVICE void ContrastiveRows(const PairRows& block) {
  const size_t d = block.d;
  for (size_t i = 0; i < block.rows; i++) {
    const float* x1 = block.x1 + i * d;
    const float* x2 = block.x2 + i * d;
    float sum[1];
    RowSums(d, [=](size_t k, size_t n, V(&lanes)[1]) {
      const V diff = LoadUpTo(x1 + k, n) - LoadUpTo(x2 + k, n);
      lanes[0] = Fma(diff, diff, lanes[0]);
    }, sum);
    const bool plain = SafeSquare(sum[0]);
    const double square = plain ? static_cast<double>(sum[0]) : WideNoise(x1, x2, d, 0);
    const double distance = __builtin_sqrt(square), gap = block.margin - distance;
    const bool same = block.same[i] == 1, inside = !(gap <= 0);
    const double value = same ? square / 2 : inside ? gap * gap / 2 : 0;
    StoreTerm(block, i, value);

    float* g1 = block.grad_x1 == nullptr ? nullptr : block.grad_x1 + i * d;
    float* g2 = block.grad_x2 == nullptr ? nullptr : block.grad_x2 + i * d;
    if (g1 == nullptr && g2 == nullptr) continue;
    // A term that is no number is the gradient's too; where rows coincide there is no direction.
    const double factor = value != value ? value : same ? block.scale : inside && distance > 0 ? -block.scale * gap / distance : 0;
    if (factor == 0) {
      ClearRow(g1, d);
      ClearRow(g2, d);
    } else if (plain && PlainFactor(factor)) {
      const V by = Set(static_cast<float>(factor));
      AlongRow(d, [=](size_t k, size_t n) {
        const V to = by * (LoadUpTo(x1 + k, n) - LoadUpTo(x2 + k, n));
        StoreWanted(to, g1, k, n);
        StoreWanted(-to, g2, k, n);
      });
    } else {
      WidePairGradient(x1, x2, d, factor, g1, g2);
    }
  }
}

struct TripletRow {
  const float *anchor, *positive, *negative;
  float *grad_anchor, *grad_positive, *grad_negative;
};

// Of the squares of u − v + eps; the third only with `swap`.
struct TripletSquares {
  double near, far, across;
};

template <bool kSwap>
HYPERSPHERE_INLINE void PlainSquares(const TripletRow& row, size_t d, float eps, float (&sums)[3]) {
  const float *a = row.anchor, *p = row.positive, *m = row.negative;
  const V by = Set(eps);
  const auto add = [=](V u, V v, size_t n, V sum) {
    const V diff = u - v + by, kept = n == kLanes ? diff : FirstN(n, diff, Zero());
    return Fma(kept, kept, sum);
  };
  float found[kSwap ? 3 : 2];
  RowSums(d, [=](size_t k, size_t n, V(&lanes)[kSwap ? 3 : 2]) {
    const V u = LoadUpTo(a + k, n), v = LoadUpTo(p + k, n), w = LoadUpTo(m + k, n);
    lanes[0] = add(u, v, n, lanes[0]);
    lanes[1] = add(u, w, n, lanes[1]);
    if constexpr (kSwap) lanes[2] = add(v, w, n, lanes[2]);
  }, found);
  sums[0] = found[0];
  sums[1] = found[1];
  sums[2] = kSwap ? found[2] : found[1];
}

__attribute__((noinline)) TripletSquares WideSquares(const TripletRow& row, size_t d, double eps, bool swap) {
  return {WideNoise(row.anchor, row.positive, d, -eps), WideNoise(row.anchor, row.negative, d, -eps),
          swap ? WideNoise(row.positive, row.negative, d, -eps) : 0};
}

// Factors of a − p, and of a − n or, `crossed`, of p − n, each with eps.
struct TripletFactors {
  double near, far;
  bool crossed;
};

// The shared row's two parts cancel where its partners are close to each other for their distance from it. Of squared distances, whose
// factors are one number, they are what lies between the partners.
template <bool kRoot>
HYPERSPHERE_INLINE void PlainTripletGradient(const TripletRow& row, size_t d, float eps, const TripletFactors& factors) {
  const V near = Set(static_cast<float>(factors.near)), far = Set(static_cast<float>(factors.far)), by = Set(eps);
  const bool crossed = factors.crossed;
  AlongRow(d, [=](size_t k, size_t n) {
    const V a = LoadUpTo(row.anchor + k, n), p = LoadUpTo(row.positive + k, n), m = LoadUpTo(row.negative + k, n);
    const V pull = near * (a - p + by), push = far * ((crossed ? p : a) - m + by);
    const V both = kRoot ? (crossed ? -pull - push : pull - push) : near * (m - (crossed ? a : p));
    StoreWanted(crossed ? pull : both, row.grad_anchor, k, n);
    StoreWanted(crossed ? both : -pull, row.grad_positive, k, n);
    StoreWanted(push, row.grad_negative, k, n);
  });
}

__attribute__((noinline)) void WideTripletGradient(const TripletRow& row, size_t d, double eps, const TripletFactors& factors) {
  for (size_t k = OwnFirst(); k < d; k += kOwnStep) {
    const double a = static_cast<double>(row.anchor[k]), p = static_cast<double>(row.positive[k]), m = static_cast<double>(row.negative[k]);
    const double pull = factors.near * (a - p + eps), push = factors.far * ((factors.crossed ? p : a) - m + eps);
    StoreWide(factors.crossed ? pull : pull - push, row.grad_anchor, k);
    StoreWide(factors.crossed ? -pull - push : -pull, row.grad_positive, k);
    StoreWide(push, row.grad_negative, k);
  }
}

HYPERSPHERE_HOST_DEVICE void TripletLossRows(const TripletRows& block) {
  const size_t d = block.d;
  const float eps = static_cast<float>(block.eps);
  // A sum of d squares that is not far below that of d times eps has lost nothing to speak of.
  const double least = static_cast<double>(d) * block.eps * block.eps / 64;
  const auto of_row = [=](float* grad, size_t i) { return grad == nullptr ? nullptr : grad + i * d; };
  for (size_t i = 0; i < block.rows; i++) {
    const TripletRow row{block.anchor + i * d, block.positive + i * d, block.negative + i * d,
                         of_row(block.grad_anchor, i), of_row(block.grad_positive, i), of_row(block.grad_negative, i)};
    float sums[3];
    if (block.swap) {
      PlainSquares<true>(row, d, eps, sums);
    } else {
      PlainSquares<false>(row, d, eps, sums);
    }
    bool plain = true;
    for (const float sum : sums) plain = plain && SafeSquare(sum) && static_cast<double>(sum) >= least;
    const TripletSquares squares = plain ? TripletSquares{static_cast<double>(sums[0]), static_cast<double>(sums[1]), static_cast<double>(sums[2])}
                                         : WideSquares(row, d, block.eps, block.swap);
    const auto distance = [&](double square) { return block.root ? __builtin_sqrt(square) : square; };
    const double near = distance(squares.near), far = distance(squares.far), across = block.swap ? distance(squares.across) : __builtin_inf();
    const bool crossed = across < far;
    // The least of the two, and NaN if either is.
    const double gap = near - (crossed || across != across ? across : far) + block.margin, value = gap <= 0 ? 0 : gap;
    StoreTerm(block, i, value);

    if (value == 0 || value != value) {
      float* const grads[] = {row.grad_anchor, row.grad_positive, row.grad_negative};
      for (float* grad : grads) ClearRow(grad, d, static_cast<float>(value));
      continue;
    }
    if (row.grad_anchor == nullptr && row.grad_positive == nullptr && row.grad_negative == nullptr) continue;
    // Where rows coincide there is no direction.
    const auto slope = [&](double at) { return !block.root ? 2 * block.scale : at > 0 ? block.scale / at : 0; };
    const TripletFactors factors{slope(near), slope(crossed ? across : far), crossed};
    if (plain && PlainFactor(factors.near) && PlainFactor(factors.far)) {
      block.root ? PlainTripletGradient<true>(row, d, eps, factors) : PlainTripletGradient<false>(row, d, eps, factors);
    } else {
      WideTripletGradient(row, d, block.eps, factors);
    }
  }
}

#if !defined(HYPERSPHERE_LEVEL_CUDA)
constexpr GivenRows kGivenRows = {SquareCenterRows, SumToCenter, ContrastiveRows, TripletLossRows};
#endif

}  // namespace
}  // namespace hypersphere
