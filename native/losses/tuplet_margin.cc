// Tuplet margin loss: softplus(log Σ_N e^{s·cos θ} − s·cos(θ_p − m)) over all positive pairs. A row's negatives are summed once for all of its
// positives, which are few and taken one by one: cos(θ − m) = c·cos m + sin θ·sin m, without an angle.
#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

// Nearer to ±1 a float32 cosine no longer has the digits of its sine.
constexpr float kSteep = 0.9f;
// Rows parallel to float32, as in lib/reference/curves.ts: the slope's limit is infinite there, and the direction it would multiply is zero.
constexpr double kParallel = 1e-14;

// In four lanes: one would wait for itself.
double Dot(const float* a, const float* b, size_t d) {
  double lanes[4] = {}, rest = 0;
  size_t k = 0;
  for (; k + 4 <= d; k += 4) {
    for (size_t t = 0; t < 4; t++) lanes[t] += static_cast<double>(a[k + t]) * static_cast<double>(b[k + t]);
  }
  for (; k < d; k++) rest += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]) + rest;
}

double CosineOf(const BatchRows& rows, size_t i, size_t j, float near) {
  if (near > -kSteep && near < kSteep) return static_cast<double>(near);
  const size_t d = rows.Input().d;
  const float *const a = rows.Rows() + i * d, *const b = rows.Rows() + j * d;
  // The rows are of length 1 but for their own rounding.
  const double cosine = Dot(a, b, d) / __builtin_sqrt(Dot(a, a, d) * Dot(b, b, d));
  return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

}  // namespace

// numbers: the margin in radians, the scale.
Status TupletMarginLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  double sin_m, cos_m;
  scalar::SinCos(op.numbers[0], sin_m, cos_m);
  const float scale = Slope(op.numbers[1]);
  const double s = static_cast<double>(scale);
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 1}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const double share = 1 / AtLeastOne(sweep.Count().positive_pairs);
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    const LogSum others = ExponentialsOf(row, row.negatives, scale, terms);
    const double rest = LogOf(others);
    double push = 0;
    for (const Span& run : row.positives) {
      for (size_t j = run.first; j < run.last; j++) {
        const double c = CosineOf(sweep.Rows(), row.at, j, row.values[j]), square = (1 - c) * (1 + c), sine = __builtin_sqrt(square);
        const double gap = rest - s * (c * cos_m + sine * sin_m), pull = Sigmoid(gap);
        row.sums[0] += Softplus(gap);
        row.values[j] = static_cast<float>(-pull * (square < kParallel ? cos_m : cos_m - c * sin_m / sine));
        push += pull;
      }
    }
    Scale(row, row.negatives, push / others.sum, terms);
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share * s);
}

}  // namespace hypersphere
