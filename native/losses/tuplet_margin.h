// Tuplet margin loss: softplus(log Σ_N e^{s·cos θ} − s·cos(θ_p − m)) over all positive pairs. A row's negatives are summed once for all of its
// positives, which are few and taken one by one: cos(θ − m) = c·cos m + sin θ·sin m, without an angle.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct TupletMarginRule {
  static constexpr size_t kSums = 1;
  double cos_m, sin_m;
  float scale;
  const float* rows;  // [columns, d], at unit length
  size_t d;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    // Rows parallel to float32, as in lib/reference/curves.ts: the slope's limit is infinite there, and the direction it would multiply is zero.
    constexpr double kParallel = 1e-14;
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum others = ExponentialsOf(row, row.negatives, scale, terms);
    const double rest = LogOf(others), s = static_cast<double>(scale);
    double push = 0;
    for (const Span& run : row.positives) {
      for (size_t j = run.first; j < run.last; j++) {
        const double c = CosineOf(row.at, j, row.values[j]), square = (1 - c) * (1 + c), sine = __builtin_sqrt(square);
        const double gap = rest - s * (c * cos_m + sine * sin_m), pull = Sigmoid(gap);
        row.sums[0] += Softplus(gap);
        terms.put(row.values, j, static_cast<float>(-pull * (square < kParallel ? cos_m : cos_m - c * sin_m / sine)));
        push += pull;
      }
    }
    Scale(row, row.negatives, push / others.sum, terms);
    return true;
  }

 private:
  HYPERSPHERE_HOST_DEVICE double CosineOf(size_t i, size_t j, float near) const {
    constexpr float kSteep = 0.9f;  // nearer to ±1 a float32 cosine no longer has the digits of its sine
    if (near > -kSteep && near < kSteep) return static_cast<double>(near);
    const float *const a = rows + i * d, *const b = rows + j * d;
    // The rows are of length 1 but for their own rounding.
    const double cosine = Dot(a, b) / __builtin_sqrt(Dot(a, a) * Dot(b, b));
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
  }

  // In four lanes: one would wait for itself.
  HYPERSPHERE_HOST_DEVICE double Dot(const float* a, const float* b) const {
    double lanes[4] = {}, rest = 0;
    size_t k = 0;
    for (; k + 4 <= d; k += 4) {
      for (size_t t = 0; t < 4; t++) lanes[t] += static_cast<double>(a[k + t]) * static_cast<double>(b[k + t]);
    }
    for (; k < d; k++) rest += static_cast<double>(a[k]) * static_cast<double>(b[k]);
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]) + rest;
  }
};

// numbers: the margin in radians, the scale.
struct TupletMargin {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, TupletMarginRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    double sin_m, cos_m;
    scalar::SinCos(op.numbers[0], sin_m, cos_m);
    const TupletMarginRule rule{cos_m, sin_m, Slope(op.numbers[1]), sweep.Compared(), op.d};
    const double share = 1 / AtLeastOne(sweep.Count().positive_pairs);
    sweep.SweepToGradient(rule);
    return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(rule.scale));
  }
};

}  // namespace hypersphere
