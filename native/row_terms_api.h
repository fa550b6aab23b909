// What a level offers for the losses over pairs of a batch (kernels/row_terms.h): passes over a run of one row's values, distances or
// similarities, whose sums are float32 in 16 virtual lanes over pieces of fixed length, and float64 over those pieces.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hypersphere {

// NaN never wins. Over nothing: +∞ and −∞.
struct RowExtent {
  float least, most;
  bool nan;
};

// e^{slope·(v − reference)} of the values that are neither ≥ high nor ≤ low: NaN for a bound that is not there. The exponent is at most 0,
// but for rounding.
struct RowExponential {
  float slope, reference, low, high;
};

// side·(v − bound), where greater than 0; or, of cosines, where no less. Rounding takes a cosine past ±1, which would decide about a bound there.
struct RowHinge {
  float side, bound;
  bool of_cosines = false;
};

// e^{T·(g − most)} of the violations g = side·(v − bound) greater than 0. The reference is the value whose violation is `most`: differences
// from it keep their digits however far the bound is.
struct RowViolation {
  float temperature, side, bound, reference;
};

// Circle's logits slope·[side·(v − optimum)]₊·(v − margin), less `reference`.
struct RowCircle {
  float slope, side, optimum, margin, reference;
};

// 1/(1 + e^{−z}) with z = slope·(v − reference), no further from 0 than `limit`.
struct RowSigmoid {
  float slope, reference, limit;
};

struct TwoSums {
  double first, second;
};

// A weight so great belongs to rows that coincide but for rounding; its product must stay finite.
constexpr float kMostWeight = 0x1p120f;
// A pair nearer than 2⁻⁷ of its rows' lengths would lose more than 7 bits in a product.
constexpr float kNear = 0x1p-14f;

// Makes ∂loss/∂½‖x − y‖² of ∂loss/∂d or of ∂loss/∂d². Pairs that are near for their rows' lengths are marked, a bit each, and left out of
// the sum.
struct PairWeights {
  const float* distances;
  const float* norms;
  float* values;
  uint64_t* marks;  // or null: nothing is near
  size_t count;
  float own_norm;
  bool root;
};

struct RowTerms {
  RowExtent (*extent)(const float* values, size_t count);
  // Σ(v − reference).
  double (*sum)(const float* values, size_t count, float reference);
  // Σ of what it leaves in the values' place.
  double (*exponentials)(float* values, size_t count, const RowExponential& rule);
  // factor·v + addend in place, denormals as 0.
  void (*scale)(float* values, size_t count, float factor, float addend);
  // Σ of the terms and their number; ±1 in place of those that count, else 0.
  TwoSums (*hinge)(float* values, size_t count, const RowHinge& rule);
  // Σ of the terms and of their squares; the terms in place.
  TwoSums (*hinge_squares)(float* values, size_t count, const RowHinge& rule);
  // Σ of the weights and of weight·(g − most); the values stay.
  TwoSums (*violations)(const float* values, size_t count, const RowViolation& rule);
  // factor·weight·(1 + T·(g − most − mean)) in place, 0 where nothing is violated.
  void (*violation_slopes)(float* values, size_t count, const RowViolation& rule, float mean, float factor);
  // Σ log(1 + e^u) and Σ of its slopes with u = slope·(v − reference); the slopes in place.
  TwoSums (*softplus)(float* values, size_t count, float slope, float reference);
  float (*circle_most)(const float* values, size_t count, const RowCircle& rule);
  // Σ e^z; in place e^z times the logit's slope, its factor [·]₊ taken as a constant.
  double (*circle)(float* values, size_t count, const RowCircle& rule);
  // reached[k]: how many of the ascending bounds are not greater than values[k].
  void (*count_reached)(const float* values, size_t count, const float* bounds, size_t bound_count, uint32_t* reached);
  // Σ of the sigmoids and of their slopes by z; these in `slopes`, 0 beyond the limit.
  TwoSums (*sigmoids)(const float* values, size_t count, const RowSigmoid& rule, float* slopes);
  // to += factor·from, denormals as 0.
  void (*add)(const float* from, size_t count, float factor, float* to);
  // Σ of the weights.
  double (*weigh)(const PairWeights& row);
  // values[k] = value, where no pass has left anything in values yet.
  static void put(float* values, size_t k, float value) { values[k] = value; }
  template <class T>
  static void clear(T* values, size_t count) {
    __builtin_memset(values, 0, count * sizeof(T));
  }
  static void copy(const float* from, size_t count, float* to) { __builtin_memcpy(to, from, count * sizeof(float)); }
  // What no level has vectors for. to(values[k]) in place of each.
  template <class To>
  static void change(float* values, size_t count, const To& to) {
    for (size_t k = 0; k < count; k++) values[k] = to(values[k]);
  }
  // take(of(values[k])) one after the other: all threads that share a row take each, for the places that they own in an array of theirs.
  template <class Of, class Take>
  static void each(const float* values, size_t count, const Of& of, const Take& take) {
    for (size_t k = 0; k < count; k++) take(of(values[k]));
  }
  static bool owns(size_t) { return true; }
  // What one thread computes for all, with what others have left.
  template <class Compute>
  static double once(const Compute& compute) {
    return compute();
  }
};

}  // namespace hypersphere
