// PNP: a function of the soft number of negatives that come before each positive of a row, R = Σ_N σ((s_k − s_j)/T). A row has few positives
// and many negatives: each positive is one pass over them, and one more that adds what it makes of their slopes.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

// In the order of `pnpVariants` in lib/ops/batch-losses.ts.
enum class PnpVariant { kO, kDs, kDq, kIu, kIb };

struct PnpRule {
  static constexpr size_t kSums = 1;
  PnpVariant variant;
  double b, alpha;
  float inverse;      // of the temperature
  const float* rows;  // [columns, d], at unit length
  size_t columns, d;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    float* const derivatives = row.scratch + columns;
    for (const Span& run : row.negatives) terms.clear(derivatives + run.first, run.Count());
    const double length = SquareOf(rows + row.at * d);
    const float own = Derivative(row, static_cast<float>(length), terms);
    constexpr double kUnit = 1 - 0x1p-16;  // no square of a unit row, whose components are rounded, is as short
    if (length < kUnit) row.own = own;     // too short to be a unit row: its similarity to itself is no constant
    for (const Span& run : row.positives) {
      for (size_t j = run.first; j < run.last; j++) terms.put(row.values, j, Derivative(row, row.values[j], terms));
    }
    for (const Span& run : row.negatives) terms.copy(derivatives + run.first, run.Count(), row.Run(run));
    return true;
  }

 private:
  struct Value {
    double value, slope;
  };

  // The term of a positive with this similarity. Returns its derivative, and adds those of the negatives.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE float Derivative(SweptRow& row, float similarity, const Terms& terms) const {
    constexpr float kLimit = 50;  // beyond it a sigmoid is a constant
    float *const slopes = row.scratch, *const derivatives = row.scratch + columns;
    TwoSums all{};
    for (const Span& run : row.negatives) {
      const TwoSums sums = terms.sigmoids(row.Run(run), run.Count(), {inverse, similarity, kLimit}, slopes + run.first);
      all = {all.first + sums.first, all.second + sums.second};
    }
    // The row is one of its own positives.
    const double members = static_cast<double>(row.positives.count) + 1;
    const Value value = PenaltyOf(all.first);
    const double factor = value.slope / members;
    row.sums[0] += value.value / members;
    for (const Span& run : row.negatives) terms.add(slopes + run.first, run.Count(), static_cast<float>(factor), derivatives + run.first);
    return static_cast<float>(-factor * all.second);
  }

  HYPERSPHERE_HOST_DEVICE Value PenaltyOf(double r) const {
    const double log = scalar::Log1p(r);
    switch (variant) {
      case PnpVariant::kDs: return {log, 1 / (1 + r)};
      case PnpVariant::kDq: return {OneLessExp(alpha * log), alpha * scalar::Exp(-(alpha + 1) * log)};
      case PnpVariant::kIu: return {(1 + r) * log, 1 + log};
      case PnpVariant::kIb: return {(b * r - scalar::Log1p(b * r)) / (b * b), r / (1 + b * r)};
      default: return {r, 1};
    }
  }

  // 1 − e^{−y} for y ≥ 0, where 1 would swallow a small y.
  HYPERSPHERE_HOST_DEVICE static double OneLessExp(double y) {
    return y < 0x1p-10 ? y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4 * (1 - y / 5)))) : 1 - scalar::Exp(-y);
  }

  HYPERSPHERE_HOST_DEVICE double SquareOf(const float* row) const {
    double sum = 0;
    for (size_t k = 0; k < d; k++) {
      const double value = static_cast<double>(row[k]);
      sum += value * value;
    }
    return sum;
  }
};

// numbers: the variant, the temperature, b and α.
struct Pnp {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, PnpRule::kSums, 2}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const PnpRule rule{static_cast<PnpVariant>(static_cast<int>(op.numbers[0])), op.numbers[2], op.numbers[3], Slope(1 / op.numbers[1]), sweep.Compared(),
                       sweep.Rows().Columns(), op.d};
    const double share = 1 / AtLeastOne(sweep.Count().with_positives);
    sweep.SweepToGradient(rule);
    return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(rule.inverse));
  }
};

}  // namespace hypersphere
