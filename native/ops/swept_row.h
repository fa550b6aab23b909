// What a loss does with one row of a sweep (row_sweep.h), on CPU and device alike: its passes over the row's sides. `Terms` has the passes over a
// run: of a level of the CPU, or of a group of threads (cuda/kernels/swept_rows.h). On the device all threads of the group run a loss's rule and have the
// same numbers; a value in a row is changed by passes and by `put` alone.
#pragma once

#include "../api.h"
#include "../scalar/math.h"
#include "sides.h"

namespace hypersphere {

struct SweptRow {
  size_t at, row;  // its column; the caller's number
  float* values;   // [columns]: to every column, 0 to its own
  Side positives, negatives;
  double* sums;    // of this row, to be set: [sums]; before, what the sweep before has set
  float* scratch;  // [scratch, columns], to whoever has the row
  size_t worker;   // that has it, a thread of the CPU or a group of the device's: of the sweep's histograms
  float own = 0;   // ∂loss/∂ of the value to itself, to be set where that is not constant
  HYPERSPHERE_HOST_DEVICE bool HasBoth() const { return positives.count > 0 && negatives.count > 0; }
  HYPERSPHERE_HOST_DEVICE float* Run(const Span& run) const { return values + run.first; }
};

struct SweepForm {
  Metric metric;
  bool normalize;
  size_t sums;         // a row; the first one is its loss
  size_t scratch = 0;  // rows of a worker
  size_t nodes = 0;    // of a worker's histograms
};

// Of the batch, known before any sweep: pairs of either kind in order, the rows that have positives, and those that have both.
struct PairCounts {
  double positive_pairs, negative_pairs, with_positives, with_both;
};

// What the sweep before has left as the sums of other rows, by their columns.
struct PeerSums {
  const double* sums;
  const size_t* given;  // rows of the sums, or null: these are the columns
  size_t stride;
  HYPERSPHERE_HOST_DEVICE double At(size_t column, size_t which) const { return sums[(given == nullptr ? column : given[column]) * stride + which]; }
};

// Σ e^z = sum·e^most, so that ratios stay exact.
struct LogSum {
  double most, sum;
};

HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE inline double LogOf(const LogSum& of) { return of.most + scalar::Log(of.sum); }
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE inline double Softplus(double u) { return (u > 0 ? u : 0) + scalar::Log1p(scalar::Exp(u > 0 ? -u : u)); }
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE inline double Sigmoid(double u) { return 1 / (1 + scalar::Exp(-u)); }
HYPERSPHERE_HOST_DEVICE inline double AtLeastOne(double count) { return count > 1 ? count : 1; }
HYPERSPHERE_HOST_DEVICE inline float Greater(float a, float b) { return a > b ? a : b; }

// As float32, finite and not 0: infinity times 0 has no value.
HYPERSPHERE_HOST_DEVICE inline float Slope(double slope) {
  constexpr double kLeast = 0x1p-126, kMost = 0x1p126;
  const double size = slope < 0 ? -slope : slope, kept = size < kLeast ? kLeast : size > kMost ? kMost : size;
  return static_cast<float>(slope < 0 ? -kept : kept);
}

// The least float32 that is no less than a number, and the greatest that is no more: to compare float32 values with it as float64 does.
HYPERSPHERE_HOST_DEVICE inline float RoundedUp(double value) {
  const float near = static_cast<float>(value);
  if (!(static_cast<double>(near) < value)) return near;
  // The next float32 has the next bits: those of a negative one count down.
  uint32_t bits;
  __builtin_memcpy(&bits, &near, sizeof(bits));
  bits = near == 0 ? 1 : near > 0 ? bits + 1 : bits - 1;
  float next;
  __builtin_memcpy(&next, &bits, sizeof(next));
  return next;
}
HYPERSPHERE_HOST_DEVICE inline float RoundedDown(double value) { return -RoundedUp(-value); }

template <class Terms>
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE RowExtent Extent(const SweptRow& row, const Side& side, const Terms& terms) {
  RowExtent all{__builtin_inff(), -__builtin_inff(), false};
  for (const Span& run : side) {
    const RowExtent found = terms.extent(row.Run(run), run.Count());
    all = {found.least < all.least ? found.least : all.least, found.most > all.most ? found.most : all.most, all.nan || found.nan};
  }
  return all;
}

// Σ(v − reference).
template <class Terms>
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE double SumOf(const SweptRow& row, const Side& side, float reference, const Terms& terms) {
  double sum = 0;
  for (const Span& run : side) sum += terms.sum(row.Run(run), run.Count(), reference);
  return sum;
}

// Σ e^{slope·(v − reference)} over a side, whose values become its terms. With bounds as RowExponential has them.
template <class Terms>
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE double Exponentials(const SweptRow& row, const Side& side, float slope, float reference, const Terms& terms,
                                            float low = __builtin_nanf(""), float high = __builtin_nanf("")) {
  double sum = 0;
  for (const Span& run : side) sum += terms.exponentials(row.Run(run), run.Count(), {slope, reference, low, high});
  return sum;
}

// The same against the greatest exponent. Over nothing: −∞ and 0.
template <class Terms>
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE LogSum ExponentialsOf(const SweptRow& row, const Side& side, float slope, const Terms& terms, float low = __builtin_nanf(""),
                                              float high = __builtin_nanf("")) {
  if (side.count == 0) return {-scalar::kInfinity, 0};
  const RowExtent extent = Extent(row, side, terms);
  // A bound leaves out the greatest exponent only together with all others.
  const float reference = slope > 0 ? extent.most : extent.least;
  return {static_cast<double>(slope) * static_cast<double>(reference), Exponentials(row, side, slope, reference, terms, low, high)};
}

template <class Terms>
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE void Scale(const SweptRow& row, const Side& side, double factor, const Terms& terms, double addend = 0) {
  for (const Span& run : side) {
    terms.scale(row.Run(run), run.Count(), static_cast<float>(factor), static_cast<float>(addend));
  }
}

template <class Terms>
HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE TwoSums Hinge(const SweptRow& row, const Side& side, const RowHinge& rule, const Terms& terms) {
  TwoSums all{};
  for (const Span& run : side) {
    const TwoSums sums = terms.hinge(row.Run(run), run.Count(), rule);
    all = {all.first + sums.first, all.second + sums.second};
  }
  return all;
}

// The same of a bound in float64: what its rounding adds to every term alike, and so to their mean, is taken off the sum.
template <class Terms>
HYPERSPHERE_HOST_DEVICE TwoSums Hinge(const SweptRow& row, const Side& side, float sign, double bound, bool of_cosines, const Terms& terms) {
  const RowHinge rule{sign, static_cast<float>(bound), of_cosines};
  const TwoSums sums = Hinge(row, side, rule, terms);
  return {sums.first + sums.second * static_cast<double>(sign) * (static_cast<double>(rule.bound) - bound), sums.second};
}

}  // namespace hypersphere
