// Contrastive loss over the pairs of a batch: [d − pos]₊ of positives, [neg − d]₊ of negatives, mirrored for similarities, each kind by its
// own mean. The number of pairs is known beforehand, that of active ones only after a sweep of its own.
#include "../ops/row_sweep.h"

namespace hypersphere {

// numbers: the margin of positives, that of negatives.
Status BatchContrastiveLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const float side = op.metric == Metric::kCosineSimilarity ? -1 : 1;
  const RowHinge of_positives{side, static_cast<float>(op.numbers[0])}, of_negatives{-side, static_cast<float>(op.numbers[1])};
  RowSweep sweep(op, {op.metric, op.normalize, 4}, cancel);
  if (!sweep.Start()) return sweep.Result();
  const RowTerms& terms = sweep.Terms();
  const auto hinge = [&](SweptRow& row) {
    const TwoSums own = Hinge(row, row.positives, of_positives, terms), others = Hinge(row, row.negatives, of_negatives, terms);
    row.sums[0] = own.first;
    row.sums[1] = own.second;
    row.sums[2] = others.first;
    row.sums[3] = others.second;
  };
  const bool active = op.reduction == TermReduction::kMeanPositive, all = op.reduction == TermReduction::kMean;
  if (active) sweep.Sweep(hinge);
  const double positives = active ? sweep.Sum(1) : all ? sweep.Count().positive_pairs : 1;
  const double negatives = active ? sweep.Sum(3) : all ? sweep.Count().negative_pairs : 1;
  const double to_own = 1 / AtLeastOne(positives), to_others = 1 / AtLeastOne(negatives);
  if (!active || op.grad_x != nullptr) {
    sweep.SweepToGradient([&](SweptRow& row) {
      hinge(row);
      if (row.sums[1] + row.sums[3] == 0) return false;
      Scale(row, row.positives, to_own, terms);
      Scale(row, row.negatives, to_others, terms);
      return true;
    });
  }
  return sweep.Finish(to_own * sweep.Sum(0) + to_others * sweep.Sum(2), 1);
}

}  // namespace hypersphere
