// Passes over a run of one row's values in a loss over pairs. The row lies in the first or second level of cache, so a pass costs its
// arithmetic: each fuses what it makes of a value with the sum of it and stores in place, the lanes stay in registers. Runs are whole
// sides of a row, its positives or its negatives, so there are no masks but at their ends.
//
// Sums are float32 in 16 virtual lanes over kPiece values, so that no lane adds more than 32 terms, and float64 beyond.
#pragma once

#include "softmax.h"

namespace hypersphere {
namespace {

constexpr size_t kPiece = 512;

// term(k, n, sums) as RowSums has it, over pieces.
template <size_t kSums, class Term>
HYPERSPHERE_INLINE void SumPieces(size_t count, const Term& term, double (&totals)[kSums]) {
  for (double& total : totals) total = 0;
  for (size_t first = 0; first < count; first += kPiece) {
    float sums[kSums];
    RowSums(Least(kPiece, count - first), [&](size_t k, size_t n, V(&lanes)[kSums]) { term(first + k, n, lanes); }, sums);
    for (size_t s = 0; s < kSums; s++) totals[s] += static_cast<double>(sums[s]);
  }
}

HYPERSPHERE_HOST_DEVICE RowExtent ExtentOfRow(const float* values, size_t count) {
  V least = Set(kInf), most = Set(-kInf);
  VI odd = {};
  AlongRow(count, [&](size_t k, size_t n) {
    const V v = LoadUpTo(values + k, n), low = FirstN(n, v, Set(kInf)), high = FirstN(n, v, Set(-kInf));
    least = Choose(low < least, low, least);
    most = Choose(high > most, high, most);
    odd |= v != v;
  });
  // −0 and +0 are equal: which of them won depends on the lanes.
  return {-MaxOfLanes(-least) + 0.0f, MaxOfLanes(most) + 0.0f, AnyOfLanes(odd)};
}

HYPERSPHERE_HOST_DEVICE double SumOfRow(const float* values, size_t count, float reference) {
  double sum[1];
  SumPieces(count, [=](size_t k, size_t n, V(&lanes)[1]) { lanes[0] += FirstN(n, LoadUpTo(values + k, n) - Set(reference), Zero()); }, sum);
  return sum[0];
}

HYPERSPHERE_HOST_DEVICE double ExponentialsOfRow(float* values, size_t count, const RowExponential& rule) {
  const V slope = Set(rule.slope), reference = Set(rule.reference), low = Set(rule.low), high = Set(rule.high);
  double sum[1];
  SumPieces(count, [=](size_t k, size_t n, V(&lanes)[1]) {
    const V v = LoadUpTo(values + k, n), power = ExpOfNegative(slope * Below(v, reference));
    const V kept = Choose((v >= high) | (v <= low), Zero(), power);
    StoreUpTo(kept, values + k, n);
    lanes[0] += FirstN(n, kept, Zero());
  }, sum);
  return sum[0];
}

HYPERSPHERE_HOST_DEVICE void ScaleRow(float* values, size_t count, float factor, float addend) {
  AlongRow(count, [=](size_t k, size_t n) { StoreUpTo(Flushed(Fma(LoadUpTo(values + k, n), Set(factor), Set(addend))), values + k, n); });
}

HYPERSPHERE_HOST_DEVICE TwoSums HingeOfRow(float* values, size_t count, const RowHinge& rule) {
  const V side = Set(rule.side), bound = Set(rule.bound);
  double sums[2];
  SumPieces(count, [&](size_t k, size_t n, V(&lanes)[2]) {
    V v = LoadUpTo(values + k, n);
    if (rule.of_cosines) v = Choose(v > Set(1), Set(1), Choose(v < Set(-1), Set(-1), v));
    const V term = side * (v - bound);
    const VI counts = rule.of_cosines ? term >= Zero() : term > Zero();
    StoreUpTo(Choose(counts, side, Zero()), values + k, n);
    lanes[0] += FirstN(n, Choose(counts, term, Zero()), Zero());
    lanes[1] += FirstN(n, Choose(counts, Set(1), Zero()), Zero());
  }, sums);
  return {sums[0], sums[1]};
}

HYPERSPHERE_HOST_DEVICE TwoSums HingeSquaresOfRow(float* values, size_t count, const RowHinge& rule) {
  const V side = Set(rule.side), bound = Set(rule.bound);
  double sums[2];
  SumPieces(count, [=](size_t k, size_t n, V(&lanes)[2]) {
    const V term = side * (LoadUpTo(values + k, n) - bound), excess = FirstN(n, Choose(term > Zero(), term, Zero()), Zero());
    StoreUpTo(excess, values + k, n);
    lanes[0] += excess;
    lanes[1] = Fma(excess, excess, lanes[1]);
  }, sums);
  return {sums[0], sums[1]};
}

// A violation's weight and how far it is from the greatest.
struct Violation {
  V weight, short_of;
};
HYPERSPHERE_INLINE Violation ViolationOf(const RowViolation& rule, V v) {
  const V side = Set(rule.side), short_of = side * (v - Set(rule.reference));
  return {Choose(side * (v - Set(rule.bound)) > Zero(), ExpOfNegative(Set(rule.temperature) * short_of), Zero()), short_of};
}

HYPERSPHERE_HOST_DEVICE TwoSums ViolationsOfRow(const float* values, size_t count, const RowViolation& rule) {
  double sums[2];
  SumPieces(count, [&](size_t k, size_t n, V(&lanes)[2]) {
    const Violation violation = ViolationOf(rule, LoadUpTo(values + k, n));
    const V weight = FirstN(n, violation.weight, Zero());
    lanes[0] += weight;
    lanes[1] = Fma(weight, violation.short_of, lanes[1]);
  }, sums);
  return {sums[0], sums[1]};
}

HYPERSPHERE_HOST_DEVICE void ViolationSlopesOfRow(float* values, size_t count, const RowViolation& rule, float mean, float factor) {
  AlongRow(count, [&](size_t k, size_t n) {
    const Violation violation = ViolationOf(rule, LoadUpTo(values + k, n));
    const V through_weights = Fma(Set(rule.temperature), violation.short_of - Set(mean), Set(1));
    StoreUpTo(Flushed(Set(factor) * violation.weight * through_weights), values + k, n);
  });
}

HYPERSPHERE_HOST_DEVICE TwoSums SoftplusOfRow(float* values, size_t count, float slope, float reference) {
  const V one = Set(1), by = Set(slope), from = Set(reference);
  double sums[2];
  SumPieces(count, [=](size_t k, size_t n, V(&lanes)[2]) {
    const V u = by * (LoadUpTo(values + k, n) - from), power = ExpOfNegative(-Abs(u));
    const V sigmoid = Choose(u < Zero(), power, one) / (one + power);
    StoreUpTo(sigmoid, values + k, n);
    lanes[0] += FirstN(n, Choose(u < Zero(), Zero(), u) + Log1p(power), Zero());
    lanes[1] += FirstN(n, sigmoid, Zero());
  }, sums);
  return {sums[0], sums[1]};
}

// A similarity's factor slope·[·]₊ and the logit that it makes.
HYPERSPHERE_INLINE Column CircleColumn(const RowCircle& rule, V v) {
  const V gap = Set(rule.side) * (v - Set(rule.optimum)), factor = Set(rule.slope) * Choose(gap < Zero(), Zero(), gap);
  return {factor * (v - Set(rule.margin)), factor};
}

HYPERSPHERE_HOST_DEVICE float CircleMostOfRow(const float* values, size_t count, const RowCircle& rule) {
  V most = Set(-kInf);
  AlongRow(count, [&](size_t k, size_t n) {
    const V z = FirstN(n, CircleColumn(rule, LoadUpTo(values + k, n)).value, Set(-kInf));
    most = Choose(z > most, z, most);
  });
  return MaxOfLanes(most) + 0.0f;
}

HYPERSPHERE_HOST_DEVICE double CircleOfRow(float* values, size_t count, const RowCircle& rule) {
  double sum[1];
  SumPieces(count, [&](size_t k, size_t n, V(&lanes)[1]) {
    const Column column = CircleColumn(rule, LoadUpTo(values + k, n));
    const V power = ExpOfNegative(Below(column.value, Set(rule.reference)));
    StoreUpTo(power * column.slope, values + k, n);
    lanes[0] += FirstN(n, power, Zero());
  }, sum);
  return sum[0];
}

#if !defined(HYPERSPHERE_LEVEL_CUDA)
constexpr size_t kMostCompared = 64;  // beyond these a search is the shorter way

void CountReached(const float* values, size_t count, const float* bounds, size_t bound_count, uint32_t* reached) {
  if (bound_count <= kMostCompared) {
    AlongRow(count, [=](size_t k, size_t n) {
      const V v = LoadUpTo(values + k, n);
      VI fewer = {};
      for (size_t b = 0; b < bound_count; b++) fewer += VI(v >= Set(bounds[b]));
      const VI all = -fewer;
      __builtin_memcpy(reached + k, &all, n * sizeof(uint32_t));
    });
    return;
  }
  for (size_t k = 0; k < count; k++) {
    // The answer lies in [low, low + left]; no branch depends on the value.
    size_t low = 0, left = bound_count;
    while (left > 0) {
      const size_t half = left / 2;
      const bool beyond = bounds[low + half] <= values[k];
      low = beyond ? low + half + 1 : low;
      left = beyond ? left - half - 1 : half;
    }
    reached[k] = static_cast<uint32_t>(low);
  }
}
#endif

HYPERSPHERE_HOST_DEVICE TwoSums SigmoidsOfRow(const float* values, size_t count, const RowSigmoid& rule, float* slopes) {
  const V one = Set(1), by = Set(rule.slope), from = Set(rule.reference), limit = Set(rule.limit);
  double sums[2];
  SumPieces(count, [=](size_t k, size_t n, V(&lanes)[2]) {
    const V z = by * (LoadUpTo(values + k, n) - from), size = Abs(z);
    const VI beyond = size > limit;
    const V power = ExpOfNegative(-Choose(beyond, limit, size)), all = one + power;
    // Of either sign the slope is that of the smaller of the sigmoid and its rest: nothing cancels near 1.
    const V slope = Choose(beyond, Zero(), power / (all * all));
    StoreUpTo(slope, slopes + k, n);
    lanes[0] += FirstN(n, Choose(z < Zero(), power, one) / all, Zero());
    lanes[1] += FirstN(n, slope, Zero());
  }, sums);
  return {sums[0], sums[1]};
}

HYPERSPHERE_HOST_DEVICE void AddRow(const float* from, size_t count, float factor, float* to) {
  AlongRow(count, [=](size_t k, size_t n) { StoreUpTo(Flushed(Fma(Set(factor), LoadUpTo(from + k, n), LoadUpTo(to + k, n))), to + k, n); });
}

HYPERSPHERE_HOST_DEVICE double WeighRow(const PairWeights& row) {
  const V most = Set(kMostWeight);
  double sum[1];
  SumPieces(row.count, [&](size_t k, size_t n, V(&lanes)[1]) {
    const V distance = LoadUpTo(row.distances + k, n), coefficient = LoadUpTo(row.values + k, n);
    V weight, square = distance;
    if (row.root) {
      square = distance * distance;
      weight = Choose(distance > Zero(), coefficient / distance, Zero());  // where rows coincide there is no direction
      weight = Choose(weight > most, most, Choose(weight < -most, -most, weight));
    } else {
      weight = coefficient + coefficient;
    }
    weight = Flushed(weight);
    StoreUpTo(weight, row.values + k, n);
    V apart = weight;
    if (row.marks != nullptr) {
      const V limit = Set(kNear) * (Set(row.own_norm) + LoadUpTo(row.norms + k, n));
      const VI near = square <= limit;
      uint32_t bits = NotGreaterBits(square, limit) & ~NotGreaterBits(Abs(weight), Zero());
      if (n < kLanes) bits &= (1u << n) - 1;
      if (OwnLane(0)) row.marks[k / 64] |= static_cast<uint64_t>(bits) << (k % 64);
      apart = Choose(near, Zero(), weight);
    }
    lanes[0] += FirstN(n, apart, Zero());
  }, sum);
  return sum[0];
}

#if !defined(HYPERSPHERE_LEVEL_CUDA)
constexpr RowTerms kRowTerms = {ExtentOfRow,     SumOfRow,             ExponentialsOfRow, ScaleRow,        HingeOfRow,  HingeSquaresOfRow,
                                ViolationsOfRow, ViolationSlopesOfRow, SoftplusOfRow,     CircleMostOfRow, CircleOfRow, CountReached,
                                SigmoidsOfRow,   AddRow,               WeighRow};
#endif

}  // namespace
}  // namespace hypersphere
