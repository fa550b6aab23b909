#include "every_op.h"

#include <initializer_list>

#include "../../native/cuda/ops/gallery.h"
#include "../../native/cuda/ops/ops.h"
#include "../../native/cuda/ops/resident.h"
#include "../../native/ops/ops.h"
#include "../native/check.h"

namespace hypersphere::test {
namespace {

constexpr size_t kN = 3, kM = 12, kD = 5, kClasses = 260;

// Made once and there for good, as ops point to them.
const std::vector<float>& Numbers() {
  static const std::vector<float> numbers = Normals(kClasses * 2 * kD, 3);
  return numbers;
}
const float* X() { return Numbers().data(); }
const float* Y() { return Numbers().data() + kN * kD; }
const int32_t* Labels() {
  static const std::vector<int32_t> labels = [] {
    std::vector<int32_t> some(kM);
    for (size_t i = 0; i < kM; i++) some[i] = static_cast<int32_t>(i % 3);
    return some;
  }();
  return labels.data();
}
std::vector<uint16_t> Halves(const std::vector<float>& from) {
  std::vector<uint16_t> halves(from.size());
  CurrentKernels().narrow(from.data(), from.size(), halves.data());
  return halves;
}
std::vector<float> Rows(size_t count) { return {Y(), Y() + count * kD}; }

template <class Op>
using Run = Status (*)(const Op& op, const std::atomic<bool>* cancel);

template <class Op>
Status Either(bool device, const Op& op, Run<Op> there, Run<Op> here) {
  return device ? there(op, nullptr) : here(op, nullptr);
}

MatmulOp MatmulOf(Results& to) { return {X(), Y(), to.Floats(kN * kM), false, true, kN, kD, kM}; }
DistancesOp DistancesOf(Results& to, Metric metric) { return {X(), Y(), to.Floats(kN * kM), kN, kM, kD, metric}; }

NearestOp NearestOf(Results& to, bool filter) {
  NearestOp op{};
  op.x = X();
  op.gallery = Y();
  op.labels = op.gallery_labels = Labels();
  op.indices = to.Ints(kN * 2);
  op.distances = to.Floats(kN * 2);
  op.n = kN;
  op.m = kM;
  op.d = kD;
  op.k = 2;
  op.metric = Metric::kEuclidean;
  op.filter = filter ? Filter::kDifferent : Filter::kNone;
  return op;
}

struct HeadCall {
  MarginSoftmaxOp op{};
  WeightUpdate update{Rule::kSgd, nullptr, nullptr, true, 12345, 0.5, 0.9, 1e-4, 1e-10};
};

// With all its gradients, but for what asks for one of its own.
void HeadOf(Results& to, HeadCall& head, MarginKind kind = MarginKind::kCosFace) {
  MarginSoftmaxOp& op = head.op;
  op.x = X();
  op.weights = const_cast<float*>(Y());
  op.labels = Labels();
  op.per_example = to.Floats(kN);
  op.grad_x = to.Floats(kN * kD);
  op.result = to.Doubles(4);
  op.n = kN;
  op.d = kD;
  op.classes = op.all_classes = kClasses;
  op.margin.kind = kind;
  op.margin.scale = 16;
  op.margin.k = 1;
  op.margin.numbers[0] = 0.3;
  op.reduction = Reduction::kMean;
  op.workspace_bytes = size_t{64} << 20;
}

Status Step(bool device, Results& to, bool half, size_t workspace_bytes) {
  HeadCall head;
  HeadOf(to, head);
  const std::vector<float> weights = Rows(kClasses), state = Normals(kClasses * kD, 4);
  head.op.weights = half ? nullptr : to.Moved(weights);
  head.op.half_weights = half ? to.Moved(Halves(weights)) : nullptr;
  head.update.state = half ? nullptr : to.Moved(state);
  head.update.half_state = half ? to.Moved(Halves(state)) : nullptr;
  head.op.update = &head.update;
  head.op.workspace_bytes = workspace_bytes;
  return Either<MarginSoftmaxOp>(device, head.op, cuda::MarginSoftmax, MarginSoftmax);
}

// The same with the rows on the device, from where they are read afterwards.
Status KeptStep(bool device, Results& to, bool half) {
  if (!device) return Step(false, to, half, size_t{64} << 20);
  HeadCall head;
  HeadOf(to, head);
  head.op.weights = nullptr;
  head.op.update = &head.update;
  const std::vector<float> weights = Rows(kClasses), state = Normals(kClasses * kD, 4);
  cuda::ResidentRows rows(kClasses, kD, half, true);
  const auto read = [&](void* to_rows, void* to_state) {
    Status status = rows.MarginSoftmax(head.op, cuda::Precision::kReproducible);
    return status == Status::kOk ? rows.Read(to_rows, to_state) : status;
  };
  if (!half) {
    const Status status = rows.Keep(weights.data(), state.data());
    float *const moved = to.Moved(weights), *const moved_state = to.Moved(state);
    return status == Status::kOk ? read(moved, moved_state) : status;
  }
  const std::vector<uint16_t> half_weights = Halves(weights), half_state = Halves(state);
  const Status status = rows.Keep(half_weights.data(), half_state.data());
  uint16_t *const moved = to.Moved(half_weights), *const moved_state = to.Moved(half_state);
  return status == Status::kOk ? read(moved, moved_state) : status;
}

// Statistics of the first phase, and all that follows of them.
Status Shard(bool device, Results& to) {
  HeadCall head;
  HeadOf(to, head);
  head.op.grad_weights = to.Floats(kClasses * kD);
  std::vector<double> statistics(kN * kStatistics), carried(4);
  head.op.statistics = statistics.data();
  head.op.phase = Phase::kForward;
  double* const result = head.op.result;
  head.op.result = carried.data();  // the first phase's own
  const Status status = Either<MarginSoftmaxOp>(device, head.op, cuda::MarginSoftmax, MarginSoftmax);
  if (status != Status::kOk) return status;
  head.op.result = result;
  head.op.phase = Phase::kBackward;
  return Either<MarginSoftmaxOp>(device, head.op, cuda::MarginSoftmax, MarginSoftmax);
}

template <class Use>
Status WithCenters(const Use& use) {
  cuda::ResidentRows rows(kClasses, kD, false, false);
  const Status status = rows.Keep(Y(), nullptr);
  return status == Status::kOk ? use(rows) : status;
}

CenterLossOp CenterLossOf(Results& to) {
  return {X(), Labels(), Y(), to.Floats(kN), to.Floats(kN * kD), to.Floats(kClasses * kD), to.Doubles(1), kN, kD, kClasses, 0.4};
}

Status InGallery(bool device, Results& to, bool half, cuda::Precision precision) {
  NearestOp op = NearestOf(to, true);
  const std::vector<uint16_t> halves = Halves(Rows(kM));
  if (half) op.half_gallery = halves.data();
  if (half) op.gallery = nullptr;
  if (!device) return Nearest(op, nullptr);
  cuda::Gallery gallery(kM, kD, op.metric, precision);
  const Status status = gallery.Pack(op.gallery, op.half_gallery, Labels());
  return status == Status::kOk ? gallery.Search(op, nullptr) : status;
}

BatchTripletOp BatchTripletOf(Results& to) {
  BatchTripletOp op{};
  op.x = X();
  op.labels = Labels();
  op.memory = Y();
  op.memory_labels = Labels();
  op.grad_x = to.Floats(kN * kD);
  op.result = to.Doubles(3);
  op.n = kN;
  op.m = kM;
  op.d = kD;
  op.metric = Metric::kEuclidean;
  op.normalize = true;
  op.margin = 0.3;
  op.mining = Mining::kAll;
  op.reduction = TermReduction::kMean;
  return op;
}

Status RunBatchLoss(bool device, Results& to, BatchLossKind kind, std::initializer_list<double> numbers) {
  static const std::vector<float> beta(kClasses, 1);
  BatchLossOp op{};
  op.kind = kind;
  op.x = X();
  op.labels = Labels();
  op.memory = Y();
  op.memory_labels = Labels();
  op.n = kN;
  op.m = kM;
  op.d = kD;
  op.normalize = true;
  size_t i = 0;
  for (const double number : numbers) op.numbers[i++] = number;
  op.loss = to.Doubles(1);
  op.per_example = to.Floats(kN);
  op.grad_x = to.Floats(kN * kD);
  if (kind == BatchLossKind::kMargin) {
    op.beta = beta.data();
    op.betas = kClasses;
    op.grad_beta = to.Floats(kClasses);
  }
  return Either<BatchLossOp>(device, op, cuda::BatchLoss, BatchLoss);
}

}  // namespace

const std::vector<Op>& EveryOp() {
  static const std::vector<Op> ops = {
      {"matmul", Kind::kPlain, [](bool device, Results& to) { return Either<MatmulOp>(device, MatmulOf(to), cuda::Matmul, Matmul); }},
      {"distances", Kind::kPlain, [](bool device, Results& to) { return Either<DistancesOp>(device, DistancesOf(to, Metric::kEuclidean), cuda::Distances, Distances); }},
      {"SNR distances", Kind::kPlain, [](bool device, Results& to) { return Either<DistancesOp>(device, DistancesOf(to, Metric::kSnr), cuda::Distances, Distances); }},
      {"distancesGradient", Kind::kPlain,
       [](bool device, Results& to) {
         return Either<DistancesGradientOp>(device, {X(), Y(), Y(), to.Floats(kN * kD), to.Floats(kM * kD), kN, kM, kD, Metric::kEuclidean}, cuda::DistancesGradient,
                                            DistancesGradient);
       }},
      {"normalize", Kind::kPlain, [](bool device, Results& to) { return Either<NormalizeOp>(device, {X(), to.Floats(kN * kD), kN, kD, 1e-12}, cuda::Normalize, Normalize); }},
      {"normalizeGradient", Kind::kPlain,
       [](bool device, Results& to) {
         return Either<NormalizeGradientOp>(device, {X(), Y(), to.Floats(kN * kD), kN, kD, 1e-12}, cuda::NormalizeGradient, NormalizeGradient);
       }},
      {"nearest", Kind::kPlain, [](bool device, Results& to) { return Either<NearestOp>(device, NearestOf(to, true), cuda::Nearest, Nearest); }},
      {"centerLoss", Kind::kPlain, [](bool device, Results& to) { return Either<CenterLossOp>(device, CenterLossOf(to), cuda::CenterLoss, CenterLoss); }},
      {"updateCenters", Kind::kMoves,
       [](bool device, Results& to) {
         return Either<UpdateCentersOp>(device, {X(), Labels(), to.Moved(Rows(kClasses)), kN, kD, kClasses, 0.5}, cuda::UpdateCenters, UpdateCenters);
       }},
      {"contrastive", Kind::kPlain,
       [](bool device, Results& to) {
         const PairRows rows{X(), Y(), Labels(), nullptr, to.Floats(kN), to.Floats(kN * kD), to.Floats(kN * kD), kN, kD, 1, 0.5};
         return Either<ContrastiveOp>(device, {rows, to.Doubles(1)}, cuda::Contrastive, Contrastive);
       }},
      {"triplet", Kind::kPlain,
       [](bool device, Results& to) {
         float *const a = to.Floats(kN * kD), *const p = to.Floats(kN * kD), *const n = to.Floats(kN * kD);
         const TripletRows rows{X(), Y(), Y() + kN * kD, nullptr, to.Floats(kN), a, p, n, kN, kD, 0.3, 2, 0, 0.5, true, false};
         return Either<TripletOp>(device, {rows, to.Doubles(1)}, cuda::Triplet, Triplet);
       }},
      {"batchTriplet", Kind::kPlain, [](bool device, Results& to) { return Either<BatchTripletOp>(device, BatchTripletOf(to), cuda::BatchTriplet, BatchTriplet); }},
      {"batchTriplet with swap", Kind::kPlain,
       [](bool device, Results& to) {
         BatchTripletOp op = BatchTripletOf(to);
         op.swap = true;
         return Either<BatchTripletOp>(device, op, cuda::BatchTriplet, BatchTriplet);
       }},
      {"proxyAnchor", Kind::kPlain,
       [](bool device, Results& to) {
         double* const loss = to.Doubles(1);
         float *const of_x = to.Floats(kN * kD), *const of_proxies = to.Floats(kClasses * kD);
         return Either<ProxyAnchorOp>(device, {X(), Y(), Labels(), loss, of_x, of_proxies, kN, kD, kClasses, 0.1, 32}, cuda::ProxyAnchor, ProxyAnchor);
       }},
      {"supCon", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kSupCon, {0.2}); }},
      {"ntXent", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kNtXent, {0.2}); }},
      {"circle", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kCircle, {0.25, 16}); }},
      {"multiSimilarity", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kMultiSimilarity, {2, 8, 0.5, 0.1}); }},
      {"batch contrastive", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kContrastive, {0.8, 0.3}); }},
      {"liftedStructure", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kLiftedStructure, {0.5}); }},
      {"margin", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kMargin, {0.5}); }},
      {"pnp", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kPnp, {1, 0.1, 2, 4}); }},
      {"fastAp", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kFastAp, {10}); }},
      {"angular", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kAngular, {0.7}); }},
      {"histogram", Kind::kPlain, [](bool device, Results& to) { return RunBatchLoss(device, to, BatchLossKind::kHistogram, {20}); }},
      {"softmax", Kind::kPlain, [](bool device, Results& to) { return Either<SoftmaxOp>(device, {Y(), X(), to.Floats(kN * kM), kN, kM, 0.7}, cuda::Softmax, Softmax); }},
      {"crossEntropy", Kind::kPlain,
       [](bool device, Results& to) {
         const CrossEntropyOp op{Y(), Labels(), nullptr, nullptr, to.Floats(kN), to.Floats(kN * kM), to.Doubles(1), kN, kM, Reduction::kMean, 0.1};
         return Either<CrossEntropyOp>(device, op, cuda::CrossEntropy, CrossEntropy);
       }},
      {"a head's gradients", Kind::kPlain,
       [](bool device, Results& to) {
         HeadCall head;
         HeadOf(to, head, MarginKind::kCurricularFace);
         head.op.grad_weights = to.Floats(kClasses * kD);
         head.op.logits = to.Floats(kN * kClasses);
         return Either<MarginSoftmaxOp>(device, head.op, cuda::MarginSoftmax, MarginSoftmax);
       }},
      {"a head with a bias", Kind::kPlain,
       [](bool device, Results& to) {
         HeadCall head;
         HeadOf(to, head, MarginKind::kSoftmax);
         head.op.bias = X();
         head.op.grad_bias = to.Floats(kClasses);
         return Either<MarginSoftmaxOp>(device, head.op, cuda::MarginSoftmax, MarginSoftmax);
       }},
      {"a step", Kind::kMoves, [](bool device, Results& to) { return Step(device, to, false, size_t{64} << 20); }},
      {"a step of bfloat16", Kind::kMoves, [](bool device, Results& to) { return Step(device, to, true, size_t{64} << 20); }},
      {"a step in waves", Kind::kMovesInWaves, [](bool device, Results& to) { return Step(device, to, false, 0); }},
      {"a shard", Kind::kPlain, Shard},
      {"a step of rows that stay", Kind::kStays, [](bool device, Results& to) { return KeptStep(device, to, false); }},
      {"a step of bfloat16 that stays", Kind::kStays, [](bool device, Results& to) { return KeptStep(device, to, true); }},
      {"loss of centers that stay", Kind::kStays,
       [](bool device, Results& to) {
         CenterLossOp op = CenterLossOf(to);
         if (!device) return CenterLoss(op, nullptr);
         op.centers = nullptr;
         return WithCenters([&](const cuda::ResidentRows& rows) { return rows.CenterLoss(op); });
       }},
      {"centers that stay", Kind::kStays,
       [](bool device, Results& to) {
         UpdateCentersOp op{X(), Labels(), to.Moved(Rows(kClasses)), kN, kD, kClasses, 0.5};
         if (!device) return UpdateCenters(op, nullptr);
         return WithCenters([&](cuda::ResidentRows& rows) {
           float* const centers = op.centers;
           op.centers = nullptr;
           const Status status = rows.UpdateCenters(op);
           return status == Status::kOk ? rows.Read(centers, nullptr) : status;
         });
       }},
      {"distances to rows that stay", Kind::kStays,
       [](bool device, Results& to) {
         DistancesOp op = DistancesOf(to, Metric::kCosineDistance);
         if (!device) return Distances(op, nullptr);
         op.y = nullptr;
         return WithCenters([&](const cuda::ResidentRows& rows) { return rows.Distances(op, 0, cuda::Precision::kReproducible); });
       }},
      {"nearest of rows that stay", Kind::kStays,
       [](bool device, Results& to) {
         NearestOp op = NearestOf(to, false);
         op.m = kClasses;
         if (!device) return Nearest(op, nullptr);
         op.gallery = nullptr;
         return WithCenters([&](const cuda::ResidentRows& rows) { return rows.Nearest(op); });
       }},
      {"a gallery", Kind::kStays, [](bool device, Results& to) { return InGallery(device, to, false, cuda::Precision::kReproducible); }},
      {"a gallery of bfloat16", Kind::kStays, [](bool device, Results& to) { return InGallery(device, to, true, cuda::Precision::kReproducible); }},
      {"a fast gallery", Kind::kStays, [](bool device, Results& to) { return InGallery(device, to, false, cuda::Precision::kFast); }},
      {"fast matmul", Kind::kFast, [](bool, Results& to) { return cuda::fast::Matmul(MatmulOf(to), nullptr); }},
      {"fast distances", Kind::kFast, [](bool, Results& to) { return cuda::fast::Distances(DistancesOf(to, Metric::kEuclidean), nullptr); }},
      {"fast nearest", Kind::kPlain, [](bool device, Results& to) { return Either<NearestOp>(device, NearestOf(to, true), cuda::fast::Nearest, Nearest); }},
      {"a fast head", Kind::kFast,
       [](bool, Results& to) {
         HeadCall head;
         HeadOf(to, head);
         head.op.grad_weights = to.Floats(kClasses * kD);
         return cuda::fast::MarginSoftmax(head.op, nullptr);
       }},
  };
  return ops;
}

namespace {

template <class Arrays>
void AppendNow(std::vector<double>& to, const Arrays& arrays) {
  for (const auto& array : arrays) {
    for (const auto value : array.now) to.push_back(static_cast<double>(value));
  }
}

}  // namespace

std::vector<double> Results::AllMoved() const {
  std::vector<double> all;
  AppendNow(all, moved_);
  AppendNow(all, halves_);
  return all;
}

std::vector<double> Results::All() const {
  std::vector<double> all = AllMoved();
  AppendNow(all, floats_);
  AppendNow(all, doubles_);
  AppendNow(all, ints_);
  return all;
}

}  // namespace hypersphere::test
