// PNP: a function of the soft number of negatives that come before each positive of a row, R = Σ_N σ((s_k − s_j)/T). A row has few positives
// and many negatives: each positive is one pass over them, and one more that adds what it makes of their slopes.
#include <string.h>

#include "../ops/row_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

constexpr float kLimit = 50;  // beyond it a sigmoid is a constant
constexpr double kUnit = 1 - 0x1p-16;  // no square of a unit row, whose components are rounded, is as short

// In the order of `pnpVariants` in lib/ops/batch-losses.ts.
enum class Variant { kO, kDs, kDq, kIu, kIb };

struct Penalty {
  Variant variant;
  double b, alpha;
};

struct Value {
  double value, slope;
};

// 1 − e^{−y} for y ≥ 0, where 1 would swallow a small y.
double OneLessExp(double y) { return y < 0x1p-10 ? y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4 * (1 - y / 5)))) : 1 - scalar::Exp(-y); }

Value PenaltyOf(const Penalty& of, double r) {
  const double log = scalar::Log1p(r);
  switch (of.variant) {
    case Variant::kDs: return {log, 1 / (1 + r)};
    case Variant::kDq: return {OneLessExp(of.alpha * log), of.alpha * scalar::Exp(-(of.alpha + 1) * log)};
    case Variant::kIu: return {(1 + r) * log, 1 + log};
    case Variant::kIb: return {(of.b * r - scalar::Log1p(of.b * r)) / (of.b * of.b), r / (1 + of.b * r)};
    default: return {r, 1};
  }
}

}  // namespace

// numbers: the variant, the temperature, b and α.
Status PnpLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const Penalty penalty{static_cast<Variant>(static_cast<int>(op.numbers[0])), op.numbers[2], op.numbers[3]};
  const float inverse = Slope(1 / op.numbers[1]);
  RowSweep sweep(op, {Metric::kCosineSimilarity, true, 1, 2}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const size_t columns = sweep.Rows().Columns();
  const double share = 1 / AtLeastOne(sweep.Count().with_positives);
  sweep.SweepToGradient([&](SweptRow& row, const RowTerms& terms) {
    row.sums[0] = 0;
    if (!row.HasBoth()) return false;
    float *const slopes = row.scratch, *const derivatives = row.scratch + columns;
    memset(derivatives, 0, columns * sizeof(float));
    // The row is one of its own positives.
    const double members = static_cast<double>(row.positives.count) + 1;
    const auto derivative = [&](float similarity) {
      TwoSums all{};
      for (const Span& run : row.negatives) {
        const TwoSums sums = terms.sigmoids(row.Run(run), run.Count(), {inverse, similarity, kLimit}, slopes + run.first);
        all = {all.first + sums.first, all.second + sums.second};
      }
      const Value value = PenaltyOf(penalty, all.first);
      const double factor = value.slope / members;
      row.sums[0] += value.value / members;
      for (const Span& run : row.negatives) terms.add(slopes + run.first, run.Count(), static_cast<float>(factor), derivatives + run.first);
      return static_cast<float>(-factor * all.second);
    };
    const double length = sweep.Rows().SquareOf(row.at);
    const float own = derivative(static_cast<float>(length));
    if (length < kUnit) row.own = own;  // too short to be a unit row: its similarity to itself is no constant
    for (const Span& run : row.positives) {
      for (size_t j = run.first; j < run.last; j++) row.values[j] = derivative(row.values[j]);
    }
    for (const Span& run : row.negatives) memcpy(row.Run(run), derivatives + run.first, run.Count() * sizeof(float));
    return true;
  });
  return sweep.Finish(share * sweep.Sum(0), share * static_cast<double>(inverse));
}

}  // namespace hypersphere
