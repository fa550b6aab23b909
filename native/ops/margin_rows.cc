#include "margin_rows.h"

#include <string.h>

#include "softmax_loss.h"

namespace hypersphere {
namespace {

using scalar::Exp;

constexpr size_t kRowsOfTask = 16;
constexpr size_t kStepsOfRow = 512;  // margin and loss, in elements of a pass over memory
constexpr size_t kLanes = 8;

// Σ a·b in double, in a fixed order.
double Dot(const float* a, const float* b, size_t d) {
  double lanes[kLanes] = {};
  size_t j = 0;
  for (; j + kLanes <= d; j += kLanes) {
    for (size_t l = 0; l < kLanes; l++) lanes[l] += static_cast<double>(a[j + l]) * static_cast<double>(b[j + l]);
  }
  for (size_t l = 0; j < d; j++, l++) lanes[l] += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

double AtLeastShortest(double norm) { return norm < kShortest ? kShortest : norm; }

double Softplus(double z) { return (z > 0 ? z : 0) + scalar::Log1p(Exp(z > 0 ? -z : z)); }
double Logistic(double z) { return 1 / (1 + Exp(-z)); }

}  // namespace

MarginRows::MarginRows(const MarginSoftmaxOp& op, const WeightRows& weights, Workspace& space, int threads)
    : rule(RuleOf(op.margin)),
      space_of_logits(SpaceOf(op.margin)),
      caffe(op.margin.kind == MarginKind::kASoftmax && op.margin.gradient == 2),
      moves_along_weights(op.margin.kind == MarginKind::kLSoftmax),
      op_(op),
      weights_(weights),
      workspace_(space),
      // Waking a worker takes longer than few rows do.
      threads_(threads < 2 ? 1 : ThreadsForPass(op.n, Most(op.d, kStepsOfRow))),
      k_(op.margin.k),
      binary_(Binary(op.margin)) {
  scaled_place_ = Scales() ? space.Add<float>(op.n * op.d) : SIZE_MAX;
  norms_place_ = space.Add<double>(op.n);
  dots_place_ = space.Add<double>(op.n * k_);
  cosines_place_ = space.Add<double>(op.n * k_);
  along_place_ = space.Add<double>(op.n * k_);
  norms_w_place_ = space.Add<double>(op.n);
  targets_place_ = space.Add<TargetLogit>(op.n);
  gradients_place_ = space.Add<double>(op.n);
  floats_place_ = space.Add<float>(op.n * (6 + 2 * k_));
  buffers_place_ = space.Add<float>(static_cast<size_t>(threads_) * k_ * op.d);
}

Status MarginRows::Prepare(const std::atomic<bool>* cancel, const double* products) {
  const size_t n = op_.n;
  norms_ = workspace_.At<double>(norms_place_);
  dots_ = workspace_.At<double>(dots_place_);
  cosines_ = workspace_.At<double>(cosines_place_);
  along_ = workspace_.At<double>(along_place_);
  norms_w_ = workspace_.At<double>(norms_w_place_);
  targets_ = workspace_.At<TargetLogit>(targets_place_);
  gradients_ = workspace_.At<double>(gradients_place_);
  thresholds = workspace_.At<float>(floats_place_);
  references = thresholds + n;
  factors = references + n;
  shares = factors + n;
  target_gradients = shares + n;
  along_weights = target_gradients + n;
  target_columns = along_weights + n;
  caffe_columns = target_columns + n * k_;
  scaled_ = scaled_place_ == SIZE_MAX ? op_.x : workspace_.At<float>(scaled_place_);

  const auto gather = [&](size_t task, int worker) {
    float* buffer = workspace_.At<float>(buffers_place_) + static_cast<size_t>(worker) * k_ * op_.d;
    for (size_t i = task * kRowsOfTask; i < Least(n, (task + 1) * kRowsOfTask); i++) Gather(i, products, buffer);
  };
  const Status status = ParallelFor(DivideUp(n, kRowsOfTask), gather, cancel, threads_);
  if (status != Status::kOk) return status;
  batch_ = NumbersOf(op_.margin, norms_, cosines_, op_.labels, n);
  if (rule.columns == Columns::kHardened) rule.numbers[1] = static_cast<float>(batch_.t);
  if (rule.columns == Columns::kBinary && op_.bias != nullptr) rule.numbers[3] = op_.bias[0];
  SetBatchWeights();
  const auto target = [&](size_t task, int) {
    for (size_t i = task * kRowsOfTask; i < Least(n, (task + 1) * kRowsOfTask); i++) SetTarget(i);
  };
  return ParallelFor(DivideUp(n, kRowsOfTask), target, cancel, threads_);
}

double MarginRows::Factor(size_t i) const { return space_of_logits.scale / (space_of_logits.unit_x ? AtLeastShortest(norms_[i]) : 1); }

void MarginRows::Gather(size_t i, const double* products, float* buffer) {
  const size_t d = op_.d;
  const float* x = op_.x + i * d;
  const double norm = __builtin_sqrt(Dot(x, x, d));
  norms_[i] = norm;
  if (scaled_ != op_.x) {
    const double factor = Factor(i);
    float* scaled = workspace_.At<float>(scaled_place_) + i * d;
    for (size_t j = 0; j < d; j++) scaled[j] = static_cast<float>(static_cast<double>(x[j]) * factor);
  }
  for (size_t r = 0; r < k_; r++) cosines_[i * k_ + r] = 0;
  if (!Here(i)) return;
  const float* const rows = products == nullptr ? weights_.Load(static_cast<size_t>(op_.labels[i]), 1, buffer) : nullptr;
  for (size_t r = 0; r < k_; r++) {
    const double* const given = products == nullptr ? nullptr : products + (i * k_ + r) * 2;
    const float* const w = given == nullptr ? rows + r * d : nullptr;
    const double dot = given == nullptr ? Dot(x, w, d) : given[0], norm_w = __builtin_sqrt(given == nullptr ? Dot(w, w, d) : given[1]);
    const double cosine = dot / (AtLeastShortest(norm) * AtLeastShortest(norm_w));
    if (r == 0) norms_w_[i] = norm_w;
    cosines_[i * k_ + r] = cosine < -1 ? -1 : cosine > 1 ? 1 : cosine;
    dots_[i * k_ + r] = dot / ((space_of_logits.unit_x ? AtLeastShortest(norm) : 1) * (space_of_logits.unit_w ? AtLeastShortest(norm_w) : 1));
  }
}

void MarginRows::SetTarget(size_t i) {
  // A row without a target is as one that lies on its class.
  const double own = Here(i) ? BestCosine(op_.margin, cosines_ + i * k_) : 1;
  thresholds[i] = rule.columns == Columns::kHardened ? static_cast<float>(op_.margin.scale * HardThreshold(op_.margin, own)) : 0;
  targets_[i] = {};
  if (!Here(i)) return;
  targets_[i] = TargetOf(op_.margin, batch_, {dots_ + i * k_, cosines_ + i * k_, norms_[i], norms_w_[i]}, along_ + i * k_);
  if (op_.bias != nullptr) targets_[i].value += static_cast<double>(op_.bias[rule.columns == Columns::kBinary ? 0 : op_.labels[i]]);
}

// Σ v over all classes, and what the reduction divides by.
void MarginRows::SetBatchWeights() {
  all_weights_ = 0;
  counted_ = 0;
  double sum = 0;
  if (op_.class_weights == nullptr) {
    all_weights_ = static_cast<double>(op_.all_classes);
  } else {
    for (size_t c = 0; c < op_.classes; c++) all_weights_ += static_cast<double>(op_.class_weights[c]);
  }
  for (size_t i = 0; i < op_.n; i++) {
    if (!Counts(i)) continue;
    counted_++;
    sum += op_.class_weights == nullptr || binary_ ? 1 : static_cast<double>(op_.class_weights[op_.labels[i]]);
  }
  common_ = op_.reduction == Reduction::kMean ? (sum > 0 ? 1 / sum : 0) : 1;
  const double* numbers = op_.margin.numbers;
  if (op_.margin.kind == MarginKind::kSphereFaceR) common_ *= numbers[1] / op_.margin.scale;
  if (op_.margin.kind == MarginKind::kSphereFace2) common_ *= numbers[4] / numbers[1];
  if (op_.margin.kind == MarginKind::kP2sGrad) common_ /= static_cast<double>(op_.all_classes);
}

double MarginRows::Scale(size_t i) const { return common_ * (op_.grad_output == nullptr ? 1 : static_cast<double>(op_.grad_output[i])); }

void MarginRows::Export(const SoftmaxState* states, size_t blocks) const {
  for (size_t i = 0; i < op_.n; i++) {
    const OtherClasses all = Combined(states + i, blocks, op_.n);
    double* to = op_.statistics + i * kStatistics;
    to[kMaxStatistic] = all.max;
    to[kSumStatistic] = all.sum;
    to[kSpreadStatistic] = all.spread;
    to[kTargetStatistic] = Here(i) ? targets_[i].value : __builtin_nan("");
  }
  op_.result[2] = batch_.state[0];
  op_.result[3] = batch_.state[1];
}

Status MarginRows::Finish(const SoftmaxState* states, size_t blocks, const std::atomic<bool>* cancel) {
  const auto finish = [&](size_t task, int) {
    for (size_t i = task * kRowsOfTask; i < Least(op_.n, (task + 1) * kRowsOfTask); i++) {
      op_.per_example[i] = 0;
      gradients_[i] = 0;
      factors[i] = shares[i] = references[i] = target_gradients[i] = along_weights[i] = 0;
      if (!Counts(i)) continue;
      OtherClasses others;
      if (op_.phase == Phase::kBackward) {
        const double* from = op_.statistics + i * kStatistics;
        others = {from[kMaxStatistic], from[kSumStatistic], from[kSpreadStatistic], all_weights_ - 1};
        targets_[i].value = from[kTargetStatistic];
      } else {
        others = Combined(states + i, blocks, op_.n);
      }
      const double loss = binary_ ? BinaryLoss(i, others) : SoftmaxLossOf(i, others);
      op_.per_example[i] = static_cast<float>(loss);
      dots_[i * k_] = loss;  // its place: the products have done their duty
      if (!Here(i)) continue;
      const TargetLogit& target = targets_[i];
      const double gradient = gradients_[i], scale = space_of_logits.scale;
      target_gradients[i] = static_cast<float>(gradient);
      for (size_t r = 0; r < k_; r++) target_columns[i * k_ + r] = static_cast<float>(gradient * along_[i * k_ + r] / scale);
      if (caffe) caffe_columns[i] = static_cast<float>(gradient * target.caffe_weight);
      if (moves_along_weights) along_weights[i] = static_cast<float>(gradient * target.along_w / AtLeastShortest(norms_w_[i]));
    }
  };
  const Status status = ParallelFor(DivideUp(op_.n, kRowsOfTask), finish, cancel, threads_);
  if (status != Status::kOk) return status;
  double loss = 0, regularizer = 0;
  for (size_t i = 0; i < op_.n; i++) {
    if (!Counts(i)) continue;
    loss += Weighted(Scale(i), dots_[i * k_]);
    if (op_.margin.kind != MarginKind::kMagFace) continue;
    double slope;
    const double weight = (op_.reduction == Reduction::kMean ? 1 / counted_ : 1) * (op_.grad_output == nullptr ? 1 : static_cast<double>(op_.grad_output[i]));
    regularizer += weight * Regularizer(op_.margin, norms_[i], slope);
    targets_[i].along_x = gradients_[i] * targets_[i].along_x + op_.margin.numbers[4] * weight * slope;
  }
  if (op_.margin.kind == MarginKind::kMagFace) loss += op_.margin.numbers[4] * regularizer;
  op_.result[0] = loss;
  op_.result[1] = regularizer;
  op_.result[2] = batch_.state[0];
  op_.result[3] = batch_.state[1];
  return status;
}

double MarginRows::SoftmaxLossOf(size_t i, const OtherClasses& others) {
  const double own = op_.class_weights == nullptr ? 1 : static_cast<double>(op_.class_weights[op_.labels[i]]);
  const double share = op_.label_smoothing / static_cast<double>(op_.all_classes);
  const RowLoss row = SoftmaxLoss(others, targets_[i].value, {share, own, all_weights_, Scale(i), op_.label_smoothing});
  references[i] = row.reference;
  factors[i] = row.factor;
  shares[i] = row.share;
  gradients_[i] = row.gradient;
  return row.loss;
}

double MarginRows::BinaryLoss(size_t i, const OtherClasses& of) {
  const double z = targets_[i].value, scale = Scale(i);
  factors[i] = static_cast<float>(scale);
  if (rule.columns == Columns::kSquared) {
    gradients_[i] = scale * 2 * (z - 1);
    return of.sum + (z - 1) * (z - 1);
  }
  const double alpha = op_.margin.numbers[0];
  gradients_[i] = -scale * alpha * Logistic(-z);
  return of.sum + alpha * Softplus(-z);
}

Status MarginRows::FinishGradients(float* sums, const std::atomic<bool>* cancel) const {
  const size_t d = op_.d;
  const auto finish = [&](size_t task, int) {
    for (size_t i = task * kRowsOfTask; i < Least(op_.n, (task + 1) * kRowsOfTask); i++) {
      float* g = sums + i * d;
      if (!Counts(i)) {
        memset(g, 0, d * sizeof(float));
        continue;
      }
      const float* x = op_.x + i * d;
      const double norm = norms_[i];
      double factor = space_of_logits.scale, along = 0;
      if (space_of_logits.unit_x) {
        // A row of zeros has no direction: its gradient is defined as 0.
        factor = norm == 0 ? 0 : factor / AtLeastShortest(norm);
        if (norm > kShortest) along = -factor * (Dot(g, x, d) / norm);
      }
      if (Here(i)) along += op_.margin.kind == MarginKind::kMagFace ? targets_[i].along_x : gradients_[i] * targets_[i].along_x;
      const double times_x = along / AtLeastShortest(norm);
      for (size_t j = 0; j < d; j++) {
        // Nothing along a row is 0 where it holds an infinity, too.
        const double own = times_x == 0 ? 0 : times_x * static_cast<double>(x[j]);
        g[j] = static_cast<float>(factor * static_cast<double>(g[j]) + own);
      }
    }
  };
  return ParallelFor(DivideUp(op_.n, kRowsOfTask), finish, cancel, threads_);
}

void MarginRows::PlaceTargets(float* logits) const {
  for (size_t i = 0; i < op_.n; i++) {
    if (Here(i)) logits[i * op_.classes + static_cast<size_t>(op_.labels[i])] = static_cast<float>(targets_[i].value);
  }
}

}  // namespace hypersphere
