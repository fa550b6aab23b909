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
  template <class T>
  static HYPERSPHERE_DEVICE void clear(T* values, size_t count) {
    for (size_t k = OwnFirst(); k < count; k += kOwnStep) values[k] = 0;
  }
  static HYPERSPHERE_DEVICE void copy(const float* from, size_t count, float* to) {
    for (size_t k = OwnFirst(); k < count; k += kOwnStep) to[k] = from[k];
  }
  template <class To>
  static HYPERSPHERE_DEVICE void change(float* values, size_t count, const To& to) {
    for (size_t k = OwnFirst(); k < count; k += kOwnStep) values[k] = to(values[k]);
  }
  // Each thread has its own value, and hands it on.
  template <class Of, class Take>
  static HYPERSPHERE_DEVICE void each(const float* values, size_t count, const Of& of, const Take& take) {
    for (size_t first = 0; first < count; first += kLanes) {
      const size_t k = first + Lane(), left = count - first < kLanes ? count - first : kLanes;
      const double mine = k < count ? of(values[k]) : 0;
      for (size_t lane = 0; lane < left; lane++) take(Shuffle(GroupMask(), mine, static_cast<int>((threadIdx.x & 16) + lane)));
    }
  }
  static HYPERSPHERE_DEVICE bool owns(size_t k) { return OwnLane(k); }
  template <class Compute>
  static HYPERSPHERE_DEVICE double once(const Compute& compute) {
    GroupFence();
    const double mine = FirstLane() ? compute() : 0;
    GroupFence();
    return Shuffle(GroupMask(), mine, static_cast<int>(threadIdx.x & 16));
  }
  // After all threads have read what was there.
  static HYPERSPHERE_DEVICE void put(float* values, size_t k, float value) {
    GroupFence();
    if (OwnLane(k)) values[k] = value;
  }
};

// Before the rule, and after it. Whether there is a NaN among the distances.
HYPERSPHERE_ONCE HYPERSPHERE_DEVICE bool BeginRow(const PairBlock& block, const SweptRows& of, size_t at, size_t sum_count, SweptRow& row) {
  const size_t column = block.first + at, columns = block.columns;
  float* const distances = block.distances + at * columns;
  float* const values = of.wanted ? block.weights + at * columns : distances;
  for (size_t j = OwnFirst(); of.wanted && j < columns; j += kOwnStep) values[j] = distances[j];
  const bool nan = ExtentOfRow(values, columns).nan;
  for (size_t s = 0; s < sum_count; s++) row.sums[s] = of.before == nullptr ? 0 : of.before[column * sum_count + s];
  const Sides sides = SidesOf(column, of.own[column], of.stored[column], block.n, columns);
  row = {column, of.given[column], values, sides.positives, sides.negatives, row.sums, of.scratch + at * of.scratch_rows * columns, at};
  GroupFence();
  return nan;
}

HYPERSPHERE_ONCE HYPERSPHERE_DEVICE void EndRow(const PairBlock& block, const SweptRows& of, size_t sum_count, const SweptRow& row, bool nan, bool any) {
  GroupFence();
  if (FirstLane()) {
    for (size_t s = 0; s < sum_count; s++) of.sums[row.at * sum_count + s] = row.sums[s];
    of.nan[row.at] = nan ? 1 : 0;
  }
  if (!of.wanted) return;
  for (size_t j = OwnFirst(); !any && j < block.columns; j += kOwnStep) row.values[j] = 0;
  if (any && FirstLane()) row.values[row.at] = row.own;
}

template <class Rule>
HYPERSPHERE_DEVICE void SweepRow(const PairBlock& block, const SweptRows& of, const Rule& rule) {
  const size_t at = GroupRow();
  if (at >= block.count) return;
  double sums[Rule::kSums];  // alike in all threads: the first one's are kept
  SweptRow row{};
  row.sums = sums;
  const bool nan = BeginRow(block, of, at, Rule::kSums, row), any = rule(row, DeviceTerms{});
  EndRow(block, of, Rule::kSums, row, nan, any);
}

}  // namespace
}  // namespace hypersphere
