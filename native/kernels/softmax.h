// A softmax over classes, one block of at most kSoftmaxCols columns at a time, right after the engine has made the block's
// logits. Fused: how the columns of a class become one, what the margin makes of it, the mask of the target, the running maximum and
// sum, and on the way back the gradient of every logit with the factor of its unit weight row, so that a logit is read from the second
// level of cache once a pass. A row of a block lies in the first level meanwhile; sums stay in registers, in 16 virtual lanes.
//
// The target's column is masked out, never subtracted: its logit has a margin and comes with the row (ops/margin_softmax.cc).
// Padding columns are −∞ and so count nothing. The maximum is exact whatever its order; NaN never wins it, and shows in the sum.
#pragma once

#include "pooling.h"

namespace hypersphere {
namespace {

constexpr float kInf = __builtin_inff();

HYPERSPHERE_INLINE float ScalarExp(float x) { return FirstOf(ExpOfNegative(Set(x))); }
// A denormal number is slow in every product it enters.
HYPERSPHERE_INLINE V Flushed(V x) { return Choose(Abs(x) < Set(0x1p-126f), Zero(), x); }

// z − most, where an infinite logit equals an equal maximum, so that ∞ − ∞ makes no NaN.
HYPERSPHERE_INLINE V Below(V z, V most) { return Choose(z == most, Zero(), z - most); }

void ScaleLogits(float* logits, size_t rows, size_t cols, const float* col_scales, const float* bias) {
  for (size_t i = 0; i < rows; i++, logits += kSoftmaxCols) {
    AlongRow(cols, [=](size_t k, size_t n) {
      V z = LoadUpTo(logits + k, n);
      if (col_scales != nullptr) z *= LoadUpTo(col_scales + k, n);
      if (bias != nullptr) z += LoadUpTo(bias + k, n);
      StoreUpTo(z, logits + k, n);
    });
  }
}

// From the end of the row to that of its last vector.
HYPERSPHERE_INLINE void FillLanes(float* row, size_t classes, float value) {
  for (size_t c = classes; c < WholeLanes(classes); c++) {
    if (OwnLane(c)) row[c] = value;
  }
}

// What a class's column becomes, and its derivative.
struct Column {
  V value, slope;
};

HYPERSPHERE_INLINE Column ClampedColumn(const ColumnRule& rule, V z) {
  const V limit = Set(rule.numbers[0]);
  const V low = Choose(z < -limit, -limit, z), clamped = Choose(low > limit, limit, low);
  return {clamped, Choose(clamped == z, Set(1), Zero())};
}

// c(t + c) for cosines beyond the row's threshold, in units of the scale s.
HYPERSPHERE_INLINE Column HardenedColumn(const ColumnRule& rule, V z, float threshold) {
  const V c = z * Set(rule.numbers[0]), t = Set(rule.numbers[1]);
  const VI hard = z > Set(threshold);
  return {Choose(hard, z * (t + c), z), Choose(hard, Fma(Set(2), c, t), Set(1))};
}

// s·cos(θ/m). At θ = 0 the slope's limit is 1/m²; at π it is infinite and that number stands in.
HYPERSPHERE_INLINE Column DividedColumn(const ColumnRule& rule, V z) {
  const V s = Set(rule.numbers[0]), m = Set(rule.numbers[1]), one = Set(1);
  const V ratio = z / s, low = Choose(ratio < -one, -one, ratio), c = Choose(low > one, one, low);
  V sin, cos;
  SinCos(Acos(c) / m, sin, cos);
  const V square = (one - c) * (one + c);
  const V slope = Choose(square < Set(0x1p-46f), one / (m * m), sin / (m * Sqrt(square)));
  return {s * cos, rule.straight_through ? one : slope};
}

// z = r(g(c) + m) + bias with g(u) = 2((u + 1)/2)^t − 1.
HYPERSPHERE_INLINE Column BinaryColumn(const ColumnRule& rule, V c) {
  const V half = Fma(Set(0.5f), c, Set(0.5f)), low = Choose(half < Zero(), Zero(), half), u = Choose(low > Set(1), Set(1), low);
  const V power = Choose(u > Zero(), ExpOfNegative(Set(rule.numbers[2]) * Log(u)), u);  // NaN stays
  const V r = Set(rule.numbers[0]);
  const V value = Fma(r, Fma(Set(2), power, Set(rule.numbers[1] - 1)), Set(rule.numbers[3]));
  const V slope = Choose(u > Zero(), Set(rule.numbers[2]) * power / u, Set(rule.numbers[2] == 1 ? 1.0f : 0.0f));
  return {value, rule.straight_through ? r : r * slope};
}

HYPERSPHERE_INLINE Column ColumnOf(const ColumnRule& rule, V z, float threshold) {
  switch (rule.columns) {
    case Columns::kClamped:
      return ClampedColumn(rule, z);
    case Columns::kHardened:
      return HardenedColumn(rule, z, threshold);
    case Columns::kDivided:
      return DividedColumn(rule, z);
    case Columns::kBinary:
      return BinaryColumn(rule, z);
    default:
      return {z, Set(1)};
  }
}

HYPERSPHERE_INLINE bool Bends(const ColumnRule& rule) { return rule.columns != Columns::kPlain && rule.columns != Columns::kSquared; }

// The block's part of one row as it enters the softmax: one number a class, padded with −∞ to whole virtual lanes.
HYPERSPHERE_INLINE void RowOfClasses(const SoftmaxBlock& block, size_t i, float* row) {
  const ColumnRule& rule = block.rule;
  const float* logits = block.logits + i * block.stride;
  const size_t classes = block.cols / rule.k;
  const bool pools = rule.pooling != Pooling::kOne;
  if (pools) PoolRow(rule, logits, classes, row);
  if (!pools || Bends(rule)) {
    // Pooled values are bent where they lie.
    const float* from = pools ? row : logits;
    const float threshold = block.thresholds == nullptr ? 0 : block.thresholds[i];
    AlongRow(classes, [&](size_t k, size_t n) { StoreUpTo(ColumnOf(rule, LoadUpTo(from + k, n), threshold).value, row + k, n); });
  }
  FillLanes(row, classes, -kInf);
}

// The place of the row's target in the block, or none.
HYPERSPHERE_INLINE size_t TargetIn(const SoftmaxBlock& block, size_t i) {
  const int32_t label = block.labels[i];
  return label < block.first_class ? kSoftmaxCols : static_cast<size_t>(label - block.first_class);
}

template <class Term>
HYPERSPHERE_INLINE V SumOfLanes(size_t count, const Term& term) {
  V lanes[kParts] = {};
  for (size_t k = 0; k < count; k += kVirtualLanes) {
#pragma GCC unroll 4
    for (size_t part = 0; part < kParts; part++) lanes[part] += term(k + part * kLanes);
  }
#pragma GCC unroll 2
  for (size_t half = kParts / 2; half > 0; half /= 2) {
    for (size_t part = 0; part < half; part++) lanes[part] += lanes[part + half];
  }
  return lanes[0];
}

HYPERSPHERE_INLINE float MaxOf(const float* row, size_t count) {
  V most = Set(-kInf);
  AlongRow(count, [&](size_t k, size_t n) {
    const V z = FirstN(n, LoadUpTo(row + k, n), Set(-kInf));
    most = Choose(z > most, z, most);
  });
  return MaxOfLanes(most);
}

// Σ v(max − z) and Σ v over the block's classes but the target. A class of weight 0 is not there, even where it is infinite.
HYPERSPHERE_INLINE void Spread(const SoftmaxBlock& block, const float* row, size_t classes, size_t target, float max, float& spread, float& weight) {
  HYPERSPHERE_ROW_BUFFER(weights, kSoftmaxCols);
  for (size_t c = OwnFirst(); c < WholeLanes(classes); c += kOwnStep) {
    weights[c] = c >= classes || c == target ? 0 : block.class_weights == nullptr ? 1 : block.class_weights[c];
  }
  spread = FoldLanes(SumOfLanes(WholeLanes(classes), [&](size_t k) {
    const V v = Load(weights + k);
    return Choose(v > Zero(), v * -Below(Load(row + k), Set(max)), Zero());
  }));
  weight = FoldLanes(SumOfLanes(WholeLanes(classes), [&](size_t k) { return Load(weights + k); }));
}

HYPERSPHERE_INLINE void Advance(SoftmaxState& state, float max, float sum, float spread, float weight) {
  if (max > state.max) {
    state.sum = state.sum * ScalarExp(state.max - max) + sum;
    state.spread += (state.weight == 0 ? 0 : state.weight * (max - state.max)) + spread;
    state.max = max;
  } else {
    const float factor = max == state.max ? 1 : ScalarExp(max - state.max);
    state.sum += sum * factor;
    state.spread += spread + (weight == 0 || max == state.max ? 0 : weight * (state.max - max));
  }
  state.weight += weight;
}

HYPERSPHERE_APART void BinaryForwardRow(const SoftmaxBlock& block, float* row, size_t target, size_t classes, SoftmaxState& state) {
  // softplus z = max(z, 0) + log1p e^−|z|; padding and the target, at −∞, add nothing to it.
  const bool squared = block.rule.columns == Columns::kSquared;
  const float nothing = squared ? 0 : -kInf;
  if (target < classes && OwnLane(target)) row[target] = nothing;
  FillLanes(row, classes, nothing);
  const V share = Set(squared ? 1 : block.rule.numbers[4]);
  state.sum += FoldLanes(SumOfLanes(WholeLanes(classes), [&](size_t k) {
    const V z = Load(row + k);
    if (squared) return z * z;
    return share * (Choose(z < Zero(), Zero(), z) + Log1p(ExpOfNegative(-Abs(z))));
  }));
}

HYPERSPHERE_HOST_DEVICE void SoftmaxForward(const SoftmaxBlock& block) {
  HYPERSPHERE_ROW_BUFFER(row, kSoftmaxCols);
  const size_t classes = block.cols / block.rule.k, count = WholeLanes(classes);
  const bool binary = block.rule.columns == Columns::kBinary || block.rule.columns == Columns::kSquared;
  for (size_t i = 0; i < block.rows; i++) {
    RowOfClasses(block, i, row);
    if (block.out != nullptr) AlongRow(classes, [&](size_t k, size_t n) { StoreUpTo(LoadUpTo(row + k, n), block.out + i * block.out_stride + k, n); });
    if (block.labels[i] == kIgnored) continue;
    const size_t target = TargetIn(block, i);
    if (binary) {
      BinaryForwardRow(block, row, target, classes, block.states[i]);
      continue;
    }
    if (target < classes && OwnLane(target)) row[target] = -kInf;
    const float max = MaxOf(row, count);
    const V most = Set(max);
    float sum;
    if (max - max == 0) {
      sum = FoldLanes(SumOfLanes(count, [&](size_t k) { return ExpOfNegative(Load(row + k) - most); }));
    } else {
      sum = FoldLanes(SumOfLanes(count, [&](size_t k) { return ExpOfNegative(Below(Load(row + k), most)); }));
      // Where all are −∞ they are equal, but the padding and the target are none of them.
      if (max < 0) sum -= static_cast<float>(count - classes + (target < classes ? 1 : 0));
    }
    float spread = 0, weight = 0;
    if (block.smoothing) Spread(block, row, classes, target, max, spread, weight);
    Advance(block.states[i], max, sum, spread, weight);
  }
}

// ∂loss/∂(what entered the softmax) for the row's classes, the target's excepted.
HYPERSPHERE_INLINE void ClassGradients(const SoftmaxBlock& block, size_t i, size_t classes, float* row) {
  const V reference = Set(block.references[i]), factor = Set(block.factors[i]), share = Set(-block.shares[i]);
  const bool finite = block.references[i] - block.references[i] == 0;
  const Columns columns = block.rule.columns;
  for (size_t k = 0; k < WholeLanes(classes); k += kLanes) {
    const V z = Load(row + k);
    V g;
    if (columns == Columns::kSquared) {
      g = (z + z) * factor;
    } else if (columns == Columns::kBinary) {
      const V power = ExpOfNegative(-Abs(z)), below = power / (Set(1) + power);  // the logistic function of −|z|
      g = Set(block.rule.numbers[4]) * factor * Choose(z < Zero(), below, Set(1) - below);
    } else {
      g = Flushed(ExpOfNegative(finite ? z - reference : Below(z, reference)) * factor);
    }
    if (block.smoothing) g = Fma(share, block.class_weights == nullptr ? Set(1) : LoadUpTo(block.class_weights + k, Least(kLanes, classes > k ? classes - k : 0)), g);
    Store(g, row + k);
  }
}

// From the classes' gradients, which it may change, to those of the columns: the slope of the bend, then the shares of the pool.
HYPERSPHERE_INLINE void ColumnGradients(const SoftmaxBlock& block, size_t i, float* row, float* gradients) {
  const ColumnRule& rule = block.rule;
  const float* logits = block.logits + i * block.stride;
  const size_t classes = block.cols / rule.k;
  const bool pools = rule.pooling != Pooling::kOne;
  float* const to = pools ? row : gradients;
  if (Bends(rule)) {
    HYPERSPHERE_ROW_BUFFER(pooled, kSoftmaxCols);
    if (pools) PoolRow(rule, logits, classes, pooled);
    const float* from = pools ? pooled : logits;
    const float threshold = block.thresholds == nullptr ? 0 : block.thresholds[i];
    AlongRow(classes, [&](size_t c, size_t n) {
      StoreUpTo(LoadUpTo(row + c, n) * ColumnOf(rule, LoadUpTo(from + c, n), threshold).slope, to + c, n);
    });
  } else if (!pools) {
    AlongRow(classes, [=](size_t c, size_t n) { StoreUpTo(LoadUpTo(row + c, n), gradients + c, n); });
  }
  if (pools) ShareAmongColumns(rule, logits, classes, row, gradients);
}

HYPERSPHERE_HOST_DEVICE void SoftmaxBackward(const SoftmaxBlock& block) {
  HYPERSPHERE_ROW_BUFFER(row, kSoftmaxCols);
  const size_t k = block.rule.k, classes = block.cols / k;
  for (size_t i = 0; i < block.rows; i++) {
    float* gradients = block.gradients + i * block.stride;
    if (block.factors[i] == 0 && block.shares[i] == 0) {
      for (size_t c = OwnFirst(); c < block.cols; c += kOwnStep) gradients[c] = 0;
      continue;
    }
    RowOfClasses(block, i, row);
    ClassGradients(block, i, classes, row);
    const size_t target = TargetIn(block, i);
    if (target < classes && OwnLane(target)) row[target] = block.target_gradients[i];
    if (block.bias_sums != nullptr) {
      AlongRow(classes, [&](size_t c, size_t n) { StoreUpTo(LoadUpTo(block.bias_sums + c, n) + LoadUpTo(row + c, n), block.bias_sums + c, n); });
    }
    ColumnGradients(block, i, row, gradients);
    GroupFence();  // a class's columns may have been written by another thread than the one that goes on with them
    for (size_t r = 0; target < classes && r < k; r++) {
      if (OwnLane(target * k + r)) gradients[target * k + r] = block.target_columns[i * k + r];
    }
    if (block.col_scales != nullptr) {
      AlongRow(block.cols, [=](size_t c, size_t n) { StoreUpTo(LoadUpTo(gradients + c, n) * LoadUpTo(block.col_scales + c, n), gradients + c, n); });
    }
  }
}

// Softmax of given logits, or its gradient p(g − Σ p·g)/T. Sums advance by blocks of kSoftmaxCols, which are added in double.
template <class Term>
HYPERSPHERE_INLINE double SumByBlocks(size_t count, const Term& term) {
  double sum = 0;
  for (size_t first = 0; first < count; first += kSoftmaxCols) {
    float part[1];
    RowSums(Least(kSoftmaxCols, count - first), [&](size_t k, size_t n, V(&lanes)[1]) { lanes[0] += FirstN(n, term(first + k, n), Zero()); }, part);
    sum += static_cast<double>(part[0]);
  }
  return sum;
}

constexpr double kLeastInverse = 0x1p-149, kMostInverse = 0x1p127;

HYPERSPHERE_HOST_DEVICE void SoftmaxRows(const SoftmaxOp& op) {
  // Neither 0 nor infinite, which would make NaN of the greatest logit or of one that is −∞.
  const double exact = 1 / op.temperature;
  const V inverse = Set(static_cast<float>(exact < kLeastInverse ? kLeastInverse : exact > kMostInverse ? kMostInverse : exact));
  for (size_t i = 0; i < op.n; i++) {
    const float* z = op.logits + i * op.classes;
    float* out = op.out + i * op.classes;
    const V most = Set(MaxOf(z, op.classes));
    const double sum = SumByBlocks(op.classes, [&](size_t k, size_t n) {
      const V power = ExpOfNegative(Below(LoadUpTo(z + k, n), most) * inverse);
      StoreUpTo(power, out + k, n);
      return power;
    });
    const V scale = Set(static_cast<float>(1 / sum));
    if (op.grad_output == nullptr) {
      AlongRow(op.classes, [=](size_t k, size_t n) { StoreUpTo(LoadUpTo(out + k, n) * scale, out + k, n); });
      continue;
    }
    const float* g = op.grad_output + i * op.classes;
    const V mean = Set(static_cast<float>(SumByBlocks(op.classes, [&](size_t k, size_t n) { return LoadUpTo(out + k, n) * LoadUpTo(g + k, n); }) / sum));
    AlongRow(op.classes, [=](size_t k, size_t n) {
      StoreUpTo(LoadUpTo(out + k, n) * scale * ((LoadUpTo(g + k, n) - mean) * inverse), out + k, n);
    });
  }
}

}  // namespace
}  // namespace hypersphere
