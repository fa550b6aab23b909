#include "row_sweep.h"

#include "../scalar/math.h"
#include "pair_sweep.h"

namespace hypersphere {
namespace {

void Fill(float* values, size_t count, float value) {
  for (size_t i = 0; values != nullptr && i < count; i++) values[i] = value;
}

}  // namespace

RowSweep::RowSweep(const BatchLossOp& op, const Form& form, const std::atomic<bool>* cancel)
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
      nan_place_(space_.Add<bool>(most_)) {}

bool RowSweep::Start() {
  if (!space_.Allocate()) status_ = Status::kOutOfMemory;
  if (!Failed()) status_ = rows_.Prepare(cancel_);
  if (!Failed()) status_ = gradient_.Prepare(cancel_);
  if (Failed()) return false;
  undefined_ = rows_.Columns() > 1 && rows_.AnyInfinite();
  for (size_t at = 0; at < op_.n; at++) {
    const size_t positives = rows_.OwnRun(at).Count() - 1 + rows_.MemoryRun(at).Count(), negatives = rows_.Columns() - 1 - positives;
    counts_.positive_pairs += static_cast<double>(positives);
    counts_.negative_pairs += static_cast<double>(negatives);
    counts_.with_positives += positives > 0 ? 1 : 0;
    counts_.with_both += positives > 0 && negatives > 0 ? 1 : 0;
  }
  return true;
}

SweptRow RowSweep::RowAt(size_t at, float* values, size_t worker) const {
  const size_t columns = rows_.Columns(), row = rows_.Given(at);
  const Sides sides = rows_.SidesOf(at);
  float* const scratch = space_.At<float>(scratch_place_) + worker * form_.scratch * columns;
  return {at, row, values, sides.positives, sides.negatives, space_.At<double>(sums_place_) + row * form_.sums, scratch, worker};
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
  *op_.loss = undefined ? __builtin_nan("") : loss;
  const double* const sums = space_.At<double>(sums_place_);
  for (size_t i = 0; op_.per_example != nullptr && i < op_.n; i++) op_.per_example[i] = static_cast<float>(sums[i * form_.sums]);
  if (undefined) {
    Fill(op_.per_example, op_.n, __builtin_nanf(""));
    Fill(op_.grad_x, op_.n * op_.d, __builtin_nanf(""));
  } else if (rows_.Columns() < 2) {
    Fill(op_.grad_x, op_.n * op_.d, 0);  // it takes part in nothing, whatever it holds
  } else if (op_.grad_x != nullptr) {
    // PairGradient has the negated dots.
    return gradient_.Write(rows_.Cosine() ? -scale : scale, op_.grad_x, cancel_);
  }
  return status_;
}

RowExtent Extent(const SweptRow& row, const Side& side, const RowTerms& terms) {
  RowExtent all{__builtin_inff(), -__builtin_inff(), false};
  for (const Span& run : side) {
    const RowExtent found = terms.extent(row.Run(run), run.Count());
    all = {found.least < all.least ? found.least : all.least, found.most > all.most ? found.most : all.most, all.nan || found.nan};
  }
  return all;
}

double Exponentials(const SweptRow& row, const Side& side, float slope, float reference, const RowTerms& terms, float low, float high) {
  double sum = 0;
  for (const Span& run : side) sum += terms.exponentials(row.Run(run), run.Count(), {slope, reference, low, high});
  return sum;
}

LogSum ExponentialsOf(const SweptRow& row, const Side& side, float slope, const RowTerms& terms, float low, float high) {
  if (side.count == 0) return {-scalar::kInfinity, 0};
  const RowExtent extent = Extent(row, side, terms);
  // A bound leaves out the greatest exponent only together with all others.
  const float reference = slope > 0 ? extent.most : extent.least;
  return {static_cast<double>(slope) * static_cast<double>(reference), Exponentials(row, side, slope, reference, terms, low, high)};
}

void Scale(const SweptRow& row, const Side& side, double factor, const RowTerms& terms, double addend) {
  for (const Span& run : side) {
    terms.scale(row.Run(run), run.Count(), static_cast<float>(factor), static_cast<float>(addend));
  }
}

TwoSums Hinge(const SweptRow& row, const Side& side, const RowHinge& rule, const RowTerms& terms) {
  TwoSums all{};
  for (const Span& run : side) {
    const TwoSums sums = terms.hinge(row.Run(run), run.Count(), rule);
    all = {all.first + sums.first, all.second + sums.second};
  }
  return all;
}

TwoSums Hinge(const SweptRow& row, const Side& side, float sign, double bound, bool of_cosines, const RowTerms& terms) {
  const RowHinge rule{sign, static_cast<float>(bound), of_cosines};
  const TwoSums sums = Hinge(row, side, rule, terms);
  return {sums.first + sums.second * static_cast<double>(sign) * (static_cast<double>(rule.bound) - bound), sums.second};
}

double LogOf(const LogSum& of) { return of.most + scalar::Log(of.sum); }

double Softplus(double u) { return (u > 0 ? u : 0) + scalar::Log1p(scalar::Exp(u > 0 ? -u : u)); }

double Sigmoid(double u) { return 1 / (1 + scalar::Exp(-u)); }

float Slope(double slope) {
  constexpr double kLeast = 0x1p-126, kMost = 0x1p126;
  const double size = slope < 0 ? -slope : slope, kept = size < kLeast ? kLeast : size > kMost ? kMost : size;
  return static_cast<float>(slope < 0 ? -kept : kept);
}

float RoundedUp(double value) {
  const float near = static_cast<float>(value);
  return static_cast<double>(near) < value ? __builtin_nextafterf(near, __builtin_inff()) : near;
}

float RoundedDown(double value) { return -RoundedUp(-value); }

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
