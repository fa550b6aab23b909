// One row of a sweep (ops/row_sweep.h) on a GPU: a group of sixteen threads runs a loss's rule, each of its passes the CPU's own source. Fused in one
// launch: the copy of the distances, which the weights are made with, the search for NaN, and all of the rule's passes, so that what goes from one to the
// next, in float64 and alike in all threads, stays in registers.
#pragma once

#include "../device.h"
#include "../pair_args.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/row_terms.h"
#include "../../ops/swept_row.h"
#include "../sweep_args.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

// As RowTerms has them (row_terms_api.h). A run's passes start at its first value: each thread has its own lane of it, and none waits.
struct DeviceTerms {
  static HYPERSPHERE_DEVICE RowExtent extent(const float* values, size_t count) { return ExtentOfRow(values, count); }
  static HYPERSPHERE_DEVICE double sum(const float* values, size_t count, float reference) { return SumOfRow(values, count, reference); }
  static HYPERSPHERE_DEVICE double exponentials(float* values, size_t count, const RowExponential& rule) { return ExponentialsOfRow(values, count, rule); }
  static HYPERSPHERE_DEVICE void scale(float* values, size_t count, float factor, float addend) { ScaleRow(values, count, factor, addend); }
  static HYPERSPHERE_DEVICE TwoSums hinge(float* values, size_t count, const RowHinge& rule) { return HingeOfRow(values, count, rule); }
  static HYPERSPHERE_DEVICE TwoSums hinge_squares(float* values, size_t count, const RowHinge& rule) { return HingeSquaresOfRow(values, count, rule); }
  static HYPERSPHERE_DEVICE TwoSums violations(const float* values, size_t count, const RowViolation& rule) { return ViolationsOfRow(values, count, rule); }
  static HYPERSPHERE_DEVICE void violation_slopes(float* values, size_t count, const RowViolation& rule, float mean, float factor) {
    ViolationSlopesOfRow(values, count, rule, mean, factor);
  }
  static HYPERSPHERE_DEVICE TwoSums softplus(float* values, size_t count, float slope, float reference) { return SoftplusOfRow(values, count, slope, reference); }
  static HYPERSPHERE_DEVICE float circle_most(const float* values, size_t count, const RowCircle& rule) { return CircleMostOfRow(values, count, rule); }
  static HYPERSPHERE_DEVICE double circle(float* values, size_t count, const RowCircle& rule) { return CircleOfRow(values, count, rule); }
  static HYPERSPHERE_DEVICE TwoSums sigmoids(const float* values, size_t count, const RowSigmoid& rule, float* slopes) {
    return SigmoidsOfRow(values, count, rule, slopes);
  }
  static HYPERSPHERE_DEVICE void add(const float* from, size_t count, float factor, float* to) { AddRow(from, count, factor, to); }
  // After all threads have read what was there.
  static HYPERSPHERE_DEVICE void put(float* values, size_t k, float value) {
    GroupFence();
    if (OwnLane(k)) values[k] = value;
  }
};

template <class Rule>
HYPERSPHERE_DEVICE void SweepRow(const PairBlock& block, const SweptRows& of, const Rule& rule) {
  const size_t at = GroupRow(), column = block.first + at, columns = block.columns;
  if (at >= block.count) return;
  float* const distances = block.distances + at * columns;
  float* const values = of.wanted ? block.weights + at * columns : distances;
  for (size_t j = OwnFirst(); of.wanted && j < columns; j += kOwnStep) values[j] = distances[j];
  const bool nan = ExtentOfRow(values, columns).nan;
  double sums[Rule::kSums];
  for (size_t s = 0; s < Rule::kSums; s++) sums[s] = of.before == nullptr ? 0 : of.before[column * Rule::kSums + s];
  const Sides sides = SidesOf(column, of.own[column], of.stored[column], block.n, columns);
  SweptRow row{column, of.given[column], values, sides.positives, sides.negatives, sums, of.scratch + at * of.scratch_rows * columns, 0};
  GroupFence();
  const bool any = rule(row, DeviceTerms{});
  GroupFence();
  if (FirstLane()) {
    for (size_t s = 0; s < Rule::kSums; s++) of.sums[column * Rule::kSums + s] = sums[s];
    of.nan[column] = nan ? 1 : 0;
  }
  if (!of.wanted) return;
  for (size_t j = OwnFirst(); !any && j < columns; j += kOwnStep) values[j] = 0;
  if (any && FirstLane()) values[column] = row.own;
}

}  // namespace
}  // namespace hypersphere
