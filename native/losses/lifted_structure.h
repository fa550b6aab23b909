// Lifted structure, generalised and of pairs. Each row's exponentials take its distances' place and are at once the gradient but for a factor.
#pragma once

#include "../ops/swept_row.h"

namespace hypersphere {

// [log Σ_P e^{d − pos} + log Σ_N e^{neg − d}]₊ of each row, the logarithm of an empty sum taken as 0.
struct GeneralizedLiftedRule {
  static constexpr size_t kSums = 1;
  double of_negatives, of_positives;  // margins

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    const LogSum own = ExponentialsOf(row, row.positives, 1, terms), others = ExponentialsOf(row, row.negatives, -1, terms);
    const double pull = row.positives.count > 0 ? LogOf(own) - of_positives : 0;
    const double push = row.negatives.count > 0 ? LogOf(others) + of_negatives : 0;
    row.sums[0] = pull + push <= 0 ? 0 : pull + push;
    if (row.sums[0] == 0) return false;
    Scale(row, row.positives, 1 / own.sum, terms);
    Scale(row, row.negatives, -1 / others.sum, terms);
    return true;
  }
};

// What a row brings to its pairs: the logarithm of its negatives' sum.
struct LiftedNegativesRule {
  static constexpr size_t kSums = 2, kLoss = 0, kNegatives = 1;
  double of_negatives;  // margin

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    row.sums[kLoss] = 0;
    row.sums[kNegatives] = row.negatives.count > 0 ? LogOf(ExponentialsOf(row, row.negatives, -1, terms)) + of_negatives : -scalar::kInfinity;
    return false;
  }
};

// ½[log(Σ_{N(i)} e^{neg − d_ik} + Σ_{N(j)} e^{neg − d_jk}) + d_ij − pos]₊² over ordered positive pairs. A pair draws on the negatives of both
// of its rows, and so does its mirror image, by the same amounts: a row doubles what it wants of its own negatives instead of asking others. A
// row of the memory is no anchor: it brings no negatives to its pairs, which have one order.
struct LiftedPairsRule {
  static constexpr size_t kSums = LiftedNegativesRule::kSums, kLoss = LiftedNegativesRule::kLoss, kNegatives = LiftedNegativesRule::kNegatives;
  double of_positives;  // margin
  size_t n;             // rows of the batch
  PeerSums peers;

  template <class Terms>
  HYPERSPHERE_HOST_DEVICE bool operator()(SweptRow& row, const Terms& terms) const {
    const double own = row.sums[kNegatives];
    double wanted = 0;
    for (const Span& run : row.positives) {
      for (size_t j = run.first; j < run.last; j++) {
        const bool stored = j >= n;
        const double theirs = stored ? -scalar::kInfinity : peers.At(j, kNegatives);
        const double most = own > theirs ? own : theirs, apart = own > theirs ? theirs - own : own - theirs;
        // Two sums of 0 have no difference.
        const double both = most == -scalar::kInfinity ? most : most + scalar::Log1p(scalar::Exp(apart));
        const double gap = both + static_cast<double>(row.values[j]) - of_positives, excess = gap <= 0 ? 0 : gap;
        terms.put(row.Run(run), j - run.first, static_cast<float>(excess));
        if (excess == 0) continue;
        row.sums[kLoss] += excess * excess / 2;
        wanted += (stored ? 1 : 2) * excess * Sigmoid(own - theirs);
      }
    }
    if (row.sums[kLoss] == 0) return false;
    const LogSum others = ExponentialsOf(row, row.negatives, -1, terms);
    Scale(row, row.negatives, -wanted / others.sum, terms);
    return true;
  }
};

// numbers: the margin of negatives, that of positives, and whether the form is the generalised one.
struct LiftedStructure {
  static bool Generalized(const BatchLossOp& op) { return op.numbers[2] != 0; }
  static SweepForm FormOf(const BatchLossOp& op) {
    return {Metric::kEuclidean, op.normalize, Generalized(op) ? GeneralizedLiftedRule::kSums : LiftedPairsRule::kSums};
  }

  template <class Sweep>
  static Status Run(const BatchLossOp& op, Sweep& sweep) {
    const double of_negatives = op.numbers[0], of_positives = op.numbers[1];
    const double share = 1 / AtLeastOne(Generalized(op) ? static_cast<double>(op.n) : sweep.Count().positive_pairs);
    if (Generalized(op)) {
      sweep.SweepToGradient(GeneralizedLiftedRule{of_negatives, of_positives});
    } else {
      sweep.Sweep(LiftedNegativesRule{of_negatives});
      sweep.SweepToGradient(LiftedPairsRule{of_positives, op.n, sweep.Peers()});
    }
    return sweep.Finish(share * sweep.Sum(0), share);
  }
};

}  // namespace hypersphere
