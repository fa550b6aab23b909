// The softmax cross-entropy of one row from the sums over its other classes, in double: done once a row.
#pragma once

#include "../api.h"
#include "../scalar/math.h"

namespace hypersphere {

// A term of weight 0 is not there, even where it is infinite. A NaN stays one.
inline double Weighted(double weight, double term) { return weight == 0 && term == term ? 0 : weight * term; }
// max − z, where infinite logits equal an equal maximum.
inline double Below(double max, double z) { return z == max ? 0 : max - z; }

// Greatest logit of the other classes, Σ exp(logit − max), Σ v(max − logit) and Σ v over them.
struct OtherClasses {
  double max, sum, spread, weight;
};

// From the states of `blocks` runs of classes, `stride` apart, in their order.
inline OtherClasses Combined(const SoftmaxState* states, size_t blocks, size_t stride) {
  OtherClasses all{-scalar::kInfinity, 0, 0, 0};
  for (size_t b = 0; b < blocks; b++) {
    const double max = static_cast<double>(states[b * stride].max);
    if (max > all.max) all.max = max;
  }
  all.max += 0.0;  // of two zeros either may come out, as the lanes fall
  for (size_t b = 0; b < blocks; b++) {
    const SoftmaxState& state = states[b * stride];
    const double below = Below(all.max, static_cast<double>(state.max)), sum = static_cast<double>(state.sum), weight = static_cast<double>(state.weight);
    all.sum += Weighted(sum, scalar::Exp(-below));
    all.weight += weight;
    all.spread += static_cast<double>(state.spread) + Weighted(weight, below);
  }
  return all;
}

// ε/C, v_y, Σ v over all classes, and what the row's loss is multiplied by.
struct RowWeights {
  double share, own, all, scale, smoothing;
};

// The loss before its scale, and the gradient, scale included: of the target's logit, and for the others
// factor·exp(logit − reference) − share·v.
struct RowLoss {
  double loss, gradient;
  float reference, factor, share;
};

// ℓ = −(1−ε)v_y log p_y − (ε/C)Σ_c v_c log p_c. 1 − p_y is the others' share: p_y − 1 would cancel to 0 for a confident row.
inline RowLoss SoftmaxLoss(const OtherClasses& of, double target_logit, const RowWeights& weights) {
  const double top = target_logit > of.max ? target_logit : of.max;
  const double others = Weighted(of.sum, scalar::Exp(-Below(top, of.max))), target = scalar::Exp(-Below(top, target_logit));
  const double total = others + target, log_total = scalar::Log(total);
  const double log_of_target = target_logit == top ? -scalar::Log1p(others) : target_logit - top - log_total;
  const double hard = (1 - weights.smoothing) * weights.own, soft = weights.share * weights.all;
  RowLoss row;
  row.loss = Weighted(hard, -log_of_target);
  if (weights.share > 0) {
    const double from_max = log_total + Below(top, of.max);
    row.loss += Weighted(weights.share * weights.own, -log_of_target) + weights.share * of.spread + Weighted(weights.share * of.weight, from_max);
  }
  row.reference = static_cast<float>(top);
  // The reference is rounded; the factor makes up for it.
  const double rounding = top - top == 0 ? scalar::Exp(static_cast<double>(row.reference) - top) : 1;
  row.factor = static_cast<float>(weights.scale * (hard + soft) / total * rounding);
  row.share = static_cast<float>(weights.scale * weights.share);
  row.gradient = weights.scale * ((soft * target - hard * others) / total - weights.share * weights.own);
  return row;
}

}  // namespace hypersphere
