// Angular loss: softplus(log Σ_N e^z − 2(1 + t)·s_ap), z = 4t·(s_an + s_pn), over ordered positive pairs. The exponentials of a pair take the place of
// its rows' summed similarities and are at once the gradient but for a factor. A pair and its mirror image have one term: each row adds its part of
// both.
#pragma once

#include "../ops/paired_row.h"
#include "../ops/swept_row.h"

namespace hypersphere {

struct AngularRule {
  // numbers: t = tan²α.
  explicit AngularRule(const BatchLossOp& op) : n(op.n), slope(Slope(4 * op.numbers[0])), pull(2 * (1 + op.numbers[0])) {}

  size_t n;  // rows of the batch
  float slope;
  double pull;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE void operator()(const PairedRow& pair, const Terms& terms) const {
    if (pair.negatives.count == 0) return;
    const bool mirrored = pair.at < n && pair.partner < n;
    for (const Span& run : pair.negatives) {
      terms.copy(pair.values + run.first, run.Count(), pair.scratch + run.first);
      terms.add(pair.partner_values + run.first, run.Count(), 1, pair.scratch + run.first);
    }
    SweptRow both{};
    both.values = pair.scratch;
    const LogSum sum = ExponentialsOf(both, pair.negatives, slope, terms);
    const double total = LogOf(sum) - pull * static_cast<double>(pair.values[pair.partner]), push = Sigmoid(total);
    if (pair.sums != nullptr) pair.sums[0] += Softplus(total);
    if (pair.derivatives == nullptr || push == 0) return;
    const float factor = static_cast<float>((mirrored ? 2 : 1) * push * static_cast<double>(slope) / sum.sum);
    for (const Span& run : pair.negatives) terms.add(pair.scratch + run.first, run.Count(), factor, pair.derivatives + run.first);
    // The rows of the memory leave this to their partners.
    if (pair.sums != nullptr && terms.owns(pair.partner)) pair.derivatives[pair.partner] -= static_cast<float>(pull * push);
  }
};

}  // namespace hypersphere
