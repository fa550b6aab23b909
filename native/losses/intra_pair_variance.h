// Intra-pair variance: the mean square of how far pairs lie on the wrong side of their kind's mean similarity. One sweep for the means, one for
// the values, and one for the gradient, since each pair moves its own term and, through the mean, all of them.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

struct SimilaritySumsRule {
  static constexpr size_t kSums = 4;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[0] = SumOf(row, row.positives, 0, terms);
    row.sums[1] = SumOf(row, row.negatives, 0, terms);
    return false;
  }
};

struct PairKind {
  double side, bound, share, mean, excess;
};

struct IntraPairRule {
  static constexpr size_t kSums = SimilaritySumsRule::kSums;
  PairKind own, others;
  bool counts = false;  // and leaves no coefficients

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    const TwoSums near = Excesses(row, row.positives, own, terms), far = Excesses(row, row.negatives, others, terms);
    row.sums[0] = near.first;
    row.sums[1] = near.second;
    row.sums[2] = far.first;
    row.sums[3] = far.second;
    if (counts) return false;
    const double to_own = 2 * own.share * own.side, to_others = 2 * others.share * others.side;
    Scale(row, row.positives, -to_own, terms, to_own * own.bound * own.excess);
    Scale(row, row.negatives, -to_others, terms, to_others * others.bound * others.excess);
    return true;
  }

 private:
  // Leaves the excesses.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE static TwoSums Excesses(const SweptRow& row, const Side& side, const PairKind& kind, const Terms& terms) {
    const RowHinge rule{static_cast<float>(-kind.side), static_cast<float>(kind.bound * kind.mean)};
    TwoSums all{};
    for (const Span& run : side) {
      const TwoSums sums = terms.hinge_squares(row.Run(run), run.Count(), rule);
      all = {all.first + sums.first, all.second + sums.second};
    }
    return all;
  }
};

// numbers: ε of positives, that of negatives.
struct IntraPairVariance {
  static SweepForm FormOf(const BatchLossOp&) { return {Metric::kCosineSimilarity, true, IntraPairRule::kSums}; }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    IntraPairRule rule{{1, 1 - op.numbers[0], 1 / AtLeastOne(sweep.Count().positive_pairs), 0, 0},
                       {-1, 1 + op.numbers[1], 1 / AtLeastOne(sweep.Count().negative_pairs), 0, 0}};
    sweep.Sweep(SimilaritySumsRule{});
    rule.own.mean = rule.own.share * sweep.Sum(0);
    rule.others.mean = rule.others.share * sweep.Sum(1);
    rule.counts = true;
    sweep.Sweep(rule);
    rule.own.excess = rule.own.share * sweep.Sum(0);
    rule.others.excess = rule.others.share * sweep.Sum(2);
    const double loss = rule.own.share * sweep.Sum(1) + rule.others.share * sweep.Sum(3);
    rule.counts = false;
    if (op.grad_x != nullptr) sweep.SweepToGradient(rule);
    return sweep.Finish(loss, 1);
  }
};

}  // namespace hypersphere
