// Angular loss: softplus(log Σ_N e^z − 2(1 + t)·s_ap), z = 4t·(s_an + s_pn), over ordered positive pairs. The exponentials of a pair take the place of
// its rows' summed similarities and are at once the gradient but for a factor. A pair and its mirror image have one term: each row adds its part of
// both.
#include <string.h>

#include "../ops/pair_sweep.h"
#include "../scalar/math.h"

namespace hypersphere {

// numbers: t = tan²α.
Status AngularLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const float slope = Slope(4 * op.numbers[0]);
  const double pull = 2 * (1 + op.numbers[0]);
  const PairInput input{op.x, op.labels, op.n, op.d, Metric::kCosineSimilarity, true, true, op.memory, op.memory_labels, op.m};
  PairSweep sweep(input, 1, op.grad_x, cancel);
  Status status = sweep.Start();
  if (status != Status::kOk) return status;
  const RowTerms& terms = sweep.Terms();
  status = sweep.Sweep([&](const PairedRow& pair) {
    if (pair.negatives.count == 0) return;
    const bool mirrored = pair.at < op.n && pair.partner < op.n;
    for (const Span& run : pair.negatives) {
      memcpy(pair.scratch + run.first, pair.values + run.first, run.Count() * sizeof(float));
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
    if (pair.sums != nullptr) pair.derivatives[pair.partner] -= static_cast<float>(pull * push);
  });
  if (status != Status::kOk) return status;
  const double share = 1 / AtLeastOne(sweep.PositivePairs()), loss = share * sweep.Sum(0);
  const bool undefined = sweep.Undefined() || loss != loss;
  *op.loss = undefined ? __builtin_nan("") : loss;
  return sweep.Finish(undefined, share);
}

}  // namespace hypersphere
