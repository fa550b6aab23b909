#include "row_sweep.h"

#include "pair_sweep.h"

namespace hypersphere {
namespace {

void Fill(float* values, size_t count, float value) {
  for (size_t i = 0; values != nullptr && i < count; i++) values[i] = value;
}

}  // namespace

PairCounts CountPairs(const BatchRows& rows) {
  PairCounts counts{};
  for (size_t at = 0; at < rows.Input().n; at++) {
    const size_t positives = rows.OwnRun(at).Count() - 1 + rows.MemoryRun(at).Count(), negatives = rows.Columns() - 1 - positives;
    counts.positive_pairs += static_cast<double>(positives);
    counts.negative_pairs += static_cast<double>(negatives);
    counts.with_positives += positives > 0 ? 1 : 0;
    counts.with_both += positives > 0 && negatives > 0 ? 1 : 0;
  }
  return counts;
}

void WriteLoss(const BatchLossOp& op, double loss, bool undefined, const double* sums, size_t stride) {
  *op.loss = undefined ? __builtin_nan("") : loss;
  for (size_t i = 0; op.per_example != nullptr && i < op.n; i++) op.per_example[i] = static_cast<float>(sums[i * stride]);
  if (!undefined) return;
  Fill(op.per_example, op.n, __builtin_nanf(""));
  Fill(op.grad_x, op.n * op.d, __builtin_nanf(""));
}

RowSweep::RowSweep(const BatchLossOp& op, const SweepForm& form, const std::atomic<bool>* cancel)
    : op_(op),
      form_(form),
      cancel_(cancel),
      terms_(CurrentKernels().row_terms),
      threads_(ThreadsForPass(op.n, op.n + op.m)),
      most_(AnchorsOfBlock(op.n, op.n + op.m)),
      rows_(space_, {op.x, op.labels, op.n, op.d, form.metric, form.normalize, true, op.memory, op.memory_labels, op.m}),
      copied_(op.grad_x != nullptr && form.metric != Metric::kCosineSimilarity),
      gradient_(space_, rows_, true, op.grad_x != nullptr),
      block_place_(space_.Add<float>(most_ * (op.n + op.m))),
      copy_place_(space_.Add<float>(copied_ ? Workers() * (op.n + op.m) : 0)),
      scratch_place_(space_.Add<float>(Workers() * form.scratch * (op.n + op.m))),
      sums_place_(space_.Add<double>(op.n * form.sums)),
      nan_place_(space_.Add<bool>(most_)),
      shares_place_(space_.Add<uint64_t>(2 * Workers() * form.nodes)),
      slopes_place_(space_.Add<double>(2 * Workers() * form.nodes)) {}

bool RowSweep::Start() {
  if (!space_.Allocate()) status_ = Status::kOutOfMemory;
  if (!Failed()) status_ = rows_.Prepare(cancel_);
  if (!Failed()) status_ = gradient_.Prepare(cancel_);
  if (Failed()) return false;
  undefined_ = rows_.AnyInfinite();
  counts_ = CountPairs(rows_);
  terms_.clear(Histograms().shares, 2 * Workers() * form_.nodes);
  return true;
}

SweptRow RowSweep::RowAt(size_t at, float* values, size_t worker) const {
  const size_t columns = rows_.Columns(), row = rows_.Given(at);
  const Sides sides = rows_.SidesOf(at);
  float* const scratch = space_.At<float>(scratch_place_) + worker * form_.scratch * columns;
  return {at, row, values, sides.positives, sides.negatives, space_.At<double>(sums_place_) + row * form_.sums, scratch, worker};
}

SoftHistograms RowSweep::FoldHistograms() {
  const SoftHistograms all = Histograms();
  // Whole numbers, so in any order.
  for (size_t at = 2 * form_.nodes; at < 2 * Workers() * form_.nodes; at++) all.shares[at % (2 * form_.nodes)] += all.shares[at];
  return all;
}

double RowSweep::Sum(size_t which) const {
  const double* const sums = space_.At<double>(sums_place_);
  double total = 0;
  for (size_t i = 0; i < op_.n; i++) total += sums[i * form_.sums + which];
  return total;
}

Status RowSweep::Finish(double loss, double scale) {
  if (Failed()) return status_;
  const bool undefined = undefined_ || loss != loss;
  WriteLoss(op_, loss, undefined, space_.At<double>(sums_place_), form_.sums);
  if (undefined) return status_;
  if (rows_.Columns() < 2) {
    Fill(op_.grad_x, op_.n * op_.d, 0);  // it takes part in nothing, whatever it holds
  } else if (op_.grad_x != nullptr) {
    // PairGradient has the negated dots.
    return gradient_.Write(rows_.Cosine() ? -scale : scale, op_.grad_x, cancel_);
  }
  return status_;
}

Status BatchLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const KeptLevel kept;
  switch (op.kind) {
    case BatchLossKind::kSupCon: return SupConLoss(op, cancel);
    case BatchLossKind::kNtXent: return NtXentLoss(op, cancel);
    case BatchLossKind::kCircle: return CircleLoss(op, cancel);
    case BatchLossKind::kMultiSimilarity: return MultiSimilarityLoss(op, cancel);
    case BatchLossKind::kContrastive: return BatchContrastiveLoss(op, cancel);
    case BatchLossKind::kNca: return NcaLoss(op, cancel);
    case BatchLossKind::kLiftedStructure: return LiftedStructureLoss(op, cancel);
    case BatchLossKind::kIntraPairVariance: return IntraPairVarianceLoss(op, cancel);
    case BatchLossKind::kPnp: return PnpLoss(op, cancel);
    case BatchLossKind::kAngular: return AngularLoss(op, cancel);
    case BatchLossKind::kTupletMargin: return TupletMarginLoss(op, cancel);
    case BatchLossKind::kTcm: return TcmLoss(op, cancel);
    case BatchLossKind::kRankedList: return RankedListLoss(op, cancel);
    case BatchLossKind::kFastAp: return FastApLoss(op, cancel);
    case BatchLossKind::kMargin: return MarginLoss(op, cancel);
    case BatchLossKind::kHistogram: return HistogramLoss(op, cancel);
    default: return Status::kAborted;
  }
}

}  // namespace hypersphere
