// What one proxy adds to the proxy-anchor loss, on CPU and device. A proxy's cosines with the batch become the gradients of its terms in their place.
// The rows of its own class are few: their cosines are gathered and their places left empty, so that both sums are passes without masks.
#pragma once

#include "swept_row.h"

namespace hypersphere {

struct ProxyRule {
  double alpha, margin;
  double of_positives, of_negatives;  // what each side of a proxy counts for
  bool backward;
};

// The rows of class c are order[starts[c] … starts[c + 1]).
struct ProxyRows {
  const size_t *starts, *order;
  size_t n;
};

struct ProxyRow {
  float* cosines;      // [n]
  float* own;          // [count]
  const size_t* rows;  // [count] of the proxy's class
  size_t count, n;
};

// log(1 + Σ e^{slope·(v + shift)}), and weight·slope·e^{slope·(v + shift)} / (1 + Σ) in place of the values.
template <class Passes>
HYPERSPHERE_HOST_DEVICE double SideOfProxy(const Passes& passes, float* values, size_t count, double slope, double shift, double weight, bool backward) {
  const RowExtent extent = passes.Extent(values, count);
  if (extent.nan) return __builtin_nan("");
  // Nothing to add up.
  if (count == 0) return 0;
  const float reference = slope > 0 ? extent.most : extent.least;
  const double greatest = slope * (static_cast<double>(reference) + shift);
  const double sum = passes.Exponentials(values, count, {static_cast<float>(slope), reference, __builtin_nanf(""), __builtin_nanf("")});
  const double total = Softplus(greatest + scalar::Log(sum));
  if (backward) passes.Scale(values, count, static_cast<float>(weight * slope * scalar::Exp(greatest - total)));
  return total;
}

// The proxy's part of the loss. `passes` go over a row as kernels/row_terms.h does; Take and PutBack move the cosines of the own class.
template <class Passes>
HYPERSPHERE_HOST_DEVICE double TermsOfProxy(const Passes& passes, const ProxyRow& row, const ProxyRule& rule) {
  passes.Take(row, -__builtin_inff());
  const double positive = SideOfProxy(passes, row.own, row.count, -rule.alpha, -rule.margin, rule.of_positives, rule.backward);
  const double negative =
      row.n > row.count ? SideOfProxy(passes, row.cosines, row.n, rule.alpha, rule.margin, rule.of_negatives, rule.backward) : 0;
  passes.PutBack(row);
  return rule.of_positives * positive + rule.of_negatives * negative;
}

}  // namespace hypersphere
