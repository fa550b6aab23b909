// Gradients of Σ distances·g with respect to one side's rows. For every row ("own") the other side's rows run by in order,
// in groups that stay in cache: first their weights, one number a pair, then a single fused multiply-add per element with up
// to eight vectors of the row's gradient in registers. Each element is one accumulator in order of the other rows, so vector
// width leaves no trace. What all pairs of a row have in common (the radial part of a cosine, the signal's part of snr) is
// summed as one float64 number and taken off at the end. No matrix of pairs is ever stored. On a GPU a row belongs to sixteen threads, which
// share the list of a group's weights: the first of them writes it.
#pragma once

#include "pairs.h"

namespace hypersphere {
namespace {

constexpr size_t kGroup = 64;
#if defined(HYPERSPHERE_LEVEL_CUDA)
constexpr size_t kRowsAtOnce = 1, kMostVectors = 4;
#else
constexpr size_t kRowsAtOnce = kGradientRows, kMostVectors = 8;
#endif

struct Weighted {
  const float* row;
  size_t index;
  float weight;  // 0: left out, whatever the row holds
  float shift;   // snr: the mean of the difference
};

constexpr bool IsCosine(Metric metric) { return metric == Metric::kCosineSimilarity || metric == Metric::kCosineDistance; }

HYPERSPHERE_INLINE double LengthOf(const Moments& about_zero) {
  const double norm = __builtin_sqrt(about_zero.spread);
  return norm > kShortest ? norm : kShortest;
}

struct DotTerm {
  HYPERSPHERE_INLINE V operator()(V a, V b, V sum, size_t) const { return Fma(a, b, sum); }
};

template <Metric kMetric>
HYPERSPHERE_INLINE void WeighPairs(const GradientBlock& block, size_t own, Weighted (&pairs)[kPairs], double& radial) {
  const size_t d = block.d;
  const float* u = block.own + own * d;
  const float* rows[kPairs];
  for (size_t p = 0; p < kPairs; p++) rows[p] = pairs[p].row;
  float sums[kPairs] = {};
  if constexpr (kMetric == Metric::kEuclidean) {
    PairSums(u, rows, d, SquaredDifference(), sums);
    for (size_t p = 0; p < kPairs; p++) {
      const float distance = SafeSquare(sums[p]) ? __builtin_sqrtf(sums[p]) : ScaledDistance(u, rows[p], d, !(sums[p] < 1), true);
      pairs[p].weight = distance > 0 ? pairs[p].weight / distance : 0;
    }
  } else if constexpr (IsCosine(kMetric)) {
    const double length = LengthOf(block.own_moments[own]);
    PairSums(u, rows, d, DotTerm(), sums);
    for (size_t p = 0; p < kPairs; p++) {
      const double other = LengthOf(block.other_moments[pairs[p].index]);
      const bool finite = sums[p] - sums[p] == 0;
      const double cosine = finite ? static_cast<double>(sums[p]) / (length * other) : WideCosine(u, rows[p], d);
      const double g = kMetric == Metric::kCosineDistance ? -static_cast<double>(pairs[p].weight) : static_cast<double>(pairs[p].weight);
      pairs[p].weight = static_cast<float>(g / other);
      radial += g * cosine;
    }
  } else {
    const Moments of_own = block.own_moments[own];
    CentredSquaredDifference term;
    double shifts[kPairs];
    for (size_t p = 0; p < kPairs; p++) {
      shifts[p] = of_own.mean - block.other_moments[pairs[p].index].mean;
      pairs[p].shift = term.means[p] = static_cast<float>(shifts[p]);
    }
    if (block.own_is_x) PairSums(u, rows, d, term, sums);
    for (size_t p = 0; p < kPairs; p++) {
      const double signal = block.own_is_x ? of_own.spread : block.other_moments[pairs[p].index].spread;
      const double twice = 2 * static_cast<double>(pairs[p].weight);
      pairs[p].weight = signal == 0 ? 0 : static_cast<float>(twice / signal);
      if (!block.own_is_x || signal == 0) continue;
      const double noise = SafeSquare(sums[p]) ? static_cast<double>(sums[p]) : WideNoise(u, rows[p], d, shifts[p]);
      radial += twice * noise / (signal * signal);
    }
  }
}

// The pairs of one own row with others [first, last) whose weight is not 0; returns their number.
template <Metric kMetric>
HYPERSPHERE_APART size_t Weigh(const GradientBlock& block, size_t own, size_t first, size_t last, Weighted* list, double& radial) {
  const float* g = block.grad + own * block.grad_own_stride;
  size_t count = 0;
  for (size_t t = first; t < last; t++) {
    const float weight = g[t * block.grad_other_stride];
    if (weight == 0) continue;
    if (OwnLane(0)) list[count] = {block.others + t * block.d, t, kMetric == Metric::kSquaredEuclidean ? 2 * weight : weight, 0};
    count++;
  }
  GroupFence();
  if constexpr (kMetric == Metric::kEuclidean || kMetric == Metric::kSnr || IsCosine(kMetric)) {
    size_t kept = 0;
    for (size_t at = 0; at < count; at += kPairs) {
      Weighted pairs[kPairs];
      const size_t present = Least(kPairs, count - at);
      for (size_t p = 0; p < kPairs; p++) {
        pairs[p] = list[at + Least(p, present - 1)];
        if (p >= present) pairs[p].weight = 0;  // a repeat adds nothing
      }
      WeighPairs<kMetric>(block, own, pairs, radial);
      GroupFence();  // all threads have read what is now written over
      for (size_t p = 0; p < present; p++) {
        if (pairs[p].weight == 0) continue;
        if (OwnLane(0)) list[kept] = pairs[p];
        kept++;
      }
    }
    GroupFence();
    return kept;
  }
  return count;
}

template <Metric kMetric>
HYPERSPHERE_INLINE V Pulled(V u, V v, const Weighted& pair, V sum) {
  const V weight = Set(pair.weight);
  if constexpr (kMetric == Metric::kDot || IsCosine(kMetric)) return Fma(weight, v, sum);
  const V diff = u - v;
  if constexpr (kMetric == Metric::kManhattan) {
    return Fma(weight, diff > Zero() ? Set(1) : diff < Zero() ? Set(-1) : diff, sum);
  } else if constexpr (kMetric == Metric::kSnr) {
    return Fma(weight, diff - Set(pair.shift), sum);
  } else {
    return Fma(weight, diff, sum);
  }
}

// kVectors whole vectors of the row from coordinate k on.
template <Metric kMetric, size_t kVectors>
HYPERSPHERE_INLINE void PullVectors(const float* u, const Weighted* list, size_t count, size_t k, float* out) {
  V sums[kVectors];
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; v++) sums[v] = Load(out + k + v * kLanes);
  for (size_t t = 0; t < count; t++) {
    const float* row = list[t].row + k;
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; v++) sums[v] = Pulled<kMetric>(Load(u + k + v * kLanes), Load(row + v * kLanes), list[t], sums[v]);
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; v++) Store(sums[v], out + k + v * kLanes);
}

template <Metric kMetric>
HYPERSPHERE_APART void Pull(const float* u, const Weighted* list, size_t count, size_t d, float* out) {
  size_t k = 0;
  for (; k + kMostVectors * kLanes <= d; k += kMostVectors * kLanes) PullVectors<kMetric, kMostVectors>(u, list, count, k, out);
#if !defined(HYPERSPHERE_LEVEL_CUDA)
  for (; k + 2 * kLanes <= d; k += 2 * kLanes) PullVectors<kMetric, 2>(u, list, count, k, out);
#endif
  for (; k < d; k += kLanes) {
    const size_t n = Least(kLanes, d - k);
    V sum = LoadN(out + k, n);
    for (size_t t = 0; t < count; t++) sum = Pulled<kMetric>(LoadN(u + k, n), LoadN(list[t].row + k, n), list[t], sum);
    StoreN(sum, out + k, n);
  }
}

// What the pairs had in common, and the factor that all of them share.
template <Metric kMetric>
HYPERSPHERE_INLINE void FinishRow(const GradientBlock& block, size_t own, double radial, float* out) {
  const float* u = block.own + own * block.d;
  if constexpr (IsCosine(kMetric)) {
    const Moments moments = block.own_moments[own];
    const double length = LengthOf(moments), inverse = 1 / length;
    if (length == kShortest) radial = 0;
    for (size_t k = OwnFirst(); k < block.d; k += kOwnStep) {
      const double tangent = static_cast<double>(out[k]) - radial * (static_cast<double>(u[k]) * inverse);
      out[k] = moments.spread == 0 ? 0 : static_cast<float>(tangent * inverse);
    }
  } else if constexpr (kMetric == Metric::kSnr) {
    if (radial == 0) return;
    const double mean = block.own_moments[own].mean;
    for (size_t k = OwnFirst(); k < block.d; k += kOwnStep) out[k] = static_cast<float>(static_cast<double>(out[k]) - radial * (static_cast<double>(u[k]) - mean));
  }
}

template <Metric kMetric>
HYPERSPHERE_APART void GradientRowsOf(const GradientBlock& block, Weighted* list) {
  double radial[kRowsAtOnce] = {};
  const size_t d = block.d;
  for (size_t i = 0; i < block.own_rows; i++) {
    for (size_t k = OwnFirst(); k < d; k += kOwnStep) block.out[i * d + k] = 0;
  }
  for (size_t first = 0; first < block.other_rows; first += kGroup) {
    const size_t last = Least(first + kGroup, block.other_rows);
    for (size_t i = 0; i < block.own_rows; i++) {
      const size_t count = Weigh<kMetric>(block, i, first, last, list, radial[i]);
      Pull<kMetric>(block.own + i * d, list, count, d, block.out + i * d);
      GroupFence();  // before the list is written again
    }
  }
  for (size_t i = 0; i < block.own_rows; i++) FinishRow<kMetric>(block, i, radial[i], block.out + i * d);
}

HYPERSPHERE_HOST_DEVICE void GradientRows(const GradientBlock& block) {
  HYPERSPHERE_GROUP_BUFFER(Weighted, list, kGroup);
  switch (block.metric) {
    case Metric::kSquaredEuclidean: return GradientRowsOf<Metric::kSquaredEuclidean>(block, list);
    case Metric::kEuclidean: return GradientRowsOf<Metric::kEuclidean>(block, list);
    case Metric::kManhattan: return GradientRowsOf<Metric::kManhattan>(block, list);
    case Metric::kDot: return GradientRowsOf<Metric::kDot>(block, list);
    case Metric::kCosineSimilarity: return GradientRowsOf<Metric::kCosineSimilarity>(block, list);
    case Metric::kCosineDistance: return GradientRowsOf<Metric::kCosineDistance>(block, list);
    case Metric::kSnr: return GradientRowsOf<Metric::kSnr>(block, list);
  }
}

}  // namespace
}  // namespace hypersphere
