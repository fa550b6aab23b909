#include "product.h"

#include "../fast.h"
#include "ops.h"
#include "resident.h"

namespace hypersphere {
namespace cuda {
namespace {

constexpr bool Cosine(Metric metric) { return metric == Metric::kCosineSimilarity || metric == Metric::kCosineDistance; }

Kernel TileOf(Metric metric) {
  switch (metric) {
    case Metric::kSquaredEuclidean: return Kernel::k_squared_euclidean_tile;
    case Metric::kEuclidean: return Kernel::k_euclidean_tile;
    case Metric::kCosineSimilarity: return Kernel::k_cosine_similarity_tile;
    case Metric::kCosineDistance: return Kernel::k_cosine_distance_tile;
    default: return Kernel::k_dot_tile;
  }
}

DistanceArgs ArgsOf(const Side& x, const Side& y, Metric metric, float* out, uint64_t* marks) {
  const size_t n = x.count, m = y.count, d = x.d;
  DistanceArgs args{};
  args.product = {{x.rows, d, 1}, {y.rows, d, 1}, out, m, 0, static_cast<uint32_t>(n), static_cast<uint32_t>(m), static_cast<uint32_t>(d), static_cast<uint32_t>(d)};
  args.block = {x.rows, y.rows, x.norms, y.norms, d, metric};
  args.marks = marks;
  return args;
}

// How far the fast distance may be from the reproducible one: the product's error (as ‖x‖‖y‖ ≥ Σ|x||y|, and twice that is at most ‖x‖² + ‖y‖²)
// and, as in ops/coarse.cc, what float32 makes of the rest: (10d + 160)·2⁻²⁴. The last factor is for this number's own rounding and the norms'.
float MarginOf(size_t d) {
  return static_cast<float>((FastError(d) + (10 * static_cast<double>(d) + 160) * 0x1p-24) * (1 + 0x1p-9));
}

}  // namespace

size_t TilesOf(size_t n, size_t m) { return ((n + kTileSide - 1) / kTileSide) * ((m + kTileSide - 1) / kTileSide); }

uint64_t* AllocateMarks(Call& call, size_t n, size_t m, Metric metric) {
  return OfProduct(metric) ? call.Allocate<uint64_t>(TilesOf(n, m) * kTileThreads) : nullptr;
}

Side AllocateSide(Call& call, const float* rows, size_t count, size_t d, Metric metric) {
  Side side{rows, count, d, nullptr, nullptr};
  if (OfProduct(metric)) side.norms = call.Allocate<float>(count);
  if (metric == Metric::kSnr) side.moments = call.Allocate<Moments>(count);
  return side;
}

void LaunchNorms(Call& call, const Side& side, Metric metric) {
  if (OfProduct(metric)) call.LaunchThreads(Kernel::k_square_norms, side.count, side.rows, side.count, side.d, Cosine(metric), side.norms);
  if (metric == Metric::kSnr) call.LaunchThreads(Kernel::k_moments, side.count, side.rows, side.count, side.d, true, side.moments);
}

void LaunchDistances(Call& call, const Side& x, const Side& y, Metric metric, float* out, bool zero_diagonal, uint64_t* marks, bool fast, size_t first_row) {
  const size_t n = x.count, m = y.count, d = x.d;
  if (!OfProduct(metric)) {
    const DifferenceBlock block{x.rows, y.rows, x.moments, y.moments, out, m, n, m, d, metric};
    call.LaunchGroups(Kernel::k_differences, n * m, block, zero_diagonal, first_row);
    return;
  }
  DistanceArgs args = ArgsOf(x, y, metric, out, marks);
  args.zero_diagonal = zero_diagonal;
  args.first_row = static_cast<uint32_t>(first_row);
  const size_t tiles = TilesOf(n, m);
  if (tiles == 0) return;
  call.Launch(fast ? Kernel::k_fast_distances : TileOf(metric), {tiles}, args);
  call.Launch(Kernel::k_refine_distances, {tiles}, args);
}

void LaunchCandidates(Call& call, const Side& x, const Side& y, Metric metric, const uint64_t* bounds, float* out, uint64_t* marks, uint32_t* counts) {
  const size_t tiles = TilesOf(x.count, y.count);
  if (tiles == 0) return;
  CandidateArgs args{};
  args.distances = ArgsOf(x, y, metric, out, marks);
  args.bounds = bounds;
  args.counts = counts;
  args.margin = MarginOf(x.d);
  call.Launch(Kernel::k_fast_candidates, {tiles}, args);
  call.Launch(Kernel::k_settle_candidates, {tiles}, args);
  call.Launch(Kernel::k_refine_distances, {tiles}, args.distances);
}

void LaunchDistances(Call& call, const DistancesOp& op, bool self) {
  const Side x = AllocateSide(call, op.x, op.n, op.d, op.metric);
  LaunchNorms(call, x, op.metric);
  Side y = x;
  if (!self) LaunchNorms(call, y = AllocateSide(call, op.y, op.m, op.d, op.metric), op.metric);
  uint64_t* const marks = AllocateMarks(call, op.n, op.m, op.metric);
  LaunchDistances(call, x, y, op.metric, op.out, self && (op.metric == Metric::kCosineDistance || op.metric == Metric::kSnr), marks, call.Fast());
}

namespace {

Status Run(const MatmulOp& op, Precision precision, const std::atomic<bool>* cancel) {
  if (op.rows == 0 || op.cols == 0) return Status::kOk;
  Call call(cancel, precision);
  call.ExpectSides({op.rows, op.inner, op.cols});
  const float* const a = call.Upload(op.a, op.rows * op.inner);
  const float* const b = call.Upload(op.b, op.inner * op.cols);
  float* const out = call.Allocate<float>(op.rows * op.cols);
  const Rows left = op.transpose_a ? Rows{a, 1, op.rows} : Rows{a, op.inner, 1};
  const Rows right = op.transpose_b ? Rows{b, op.inner, 1} : Rows{b, 1, op.cols};
  const auto size = [](size_t n) { return static_cast<uint32_t>(n); };
  LaunchProduct(call, {left, right, out, op.cols, 0, size(op.rows), size(op.cols), size(op.inner), size(op.inner)});
  call.Download(op.out, out, op.rows * op.cols);
  return call.Finish();
}

Status Run(const DistancesOp& op, Precision precision, const std::atomic<bool>* cancel) {
  if (op.n == 0 || op.m == 0) return Status::kOk;
  Call call(cancel, precision);
  call.ExpectSides({op.n, op.m, op.d});
  const bool self = op.x == op.y && op.n == op.m;
  DistancesOp here = op;
  here.x = call.Upload(op.x, op.n * op.d);
  here.y = self ? here.x : call.Upload(op.y, op.m * op.d);
  here.out = call.Allocate<float>(op.n * op.m);
  LaunchDistances(call, here, self);
  call.Download(op.out, here.out, op.n * op.m);
  return call.Finish();
}

}  // namespace

Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, Precision::kReproducible, cancel); }
Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, Precision::kReproducible, cancel); }
namespace fast {
Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, Precision::kFast, cancel); }
Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, Precision::kFast, cancel); }
}  // namespace fast

Status ResidentRows::Distances(const DistancesOp& op, size_t first, Precision precision) const noexcept {
  if (op.n == 0 || op.m == 0) return Status::kOk;
  Call call(nullptr, precision, &memory_);
  call.ExpectSides({op.n, op.m, op.d});
  DistancesOp here = op;
  here.x = call.Upload(op.x, op.n * d);
  here.y = half ? nullptr : rows_ + first * d;
  if (half) {
    float* const wide = call.Allocate<float>(op.m * d);
    call.LaunchThreads(Kernel::k_widen, op.m * d, static_cast<const uint16_t*>(half_rows_ + first * d), op.m * d, wide);
    here.y = wide;
  }
  here.out = call.Allocate<float>(op.n * op.m);
  LaunchDistances(call, here, false);
  call.Download(op.out, here.out, op.n * op.m);
  return call.Finish();
}

}  // namespace cuda
}  // namespace hypersphere
