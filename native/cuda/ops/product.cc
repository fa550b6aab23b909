#include "product.h"

#include "ops.h"

namespace hypersphere {
namespace cuda {
namespace {

constexpr bool OfProduct(Metric metric) { return metric != Metric::kManhattan && metric != Metric::kSnr; }
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

float* Norms(Call& call, const float* rows, size_t count, size_t d, bool inverse) {
  float* const norms = call.Allocate<float>(count);
  call.LaunchThreads(Kernel::k_square_norms, count, rows, count, d, inverse, norms);
  return norms;
}

const Moments* MomentsOf(Call& call, const float* rows, size_t count, size_t d) {
  Moments* const moments = call.Allocate<Moments>(count);
  call.LaunchThreads(Kernel::k_moments, count, rows, count, d, true, moments);
  return moments;
}

}  // namespace

void LaunchDistances(Call& call, const DistancesOp& op, bool self) {
  const size_t n = op.n, m = op.m, d = op.d;
  const bool zero_diagonal = self && (op.metric == Metric::kCosineDistance || op.metric == Metric::kSnr);
  if (!OfProduct(op.metric)) {
    const bool snr = op.metric == Metric::kSnr;
    const Moments* const of_x = snr ? MomentsOf(call, op.x, n, d) : nullptr;
    const Moments* const of_y = !snr ? nullptr : self ? of_x : MomentsOf(call, op.y, m, d);
    const DifferenceBlock block{op.x, op.y, of_x, of_y, op.out, m, n, m, d, op.metric};
    call.LaunchGroups(Kernel::k_differences, n * m, block, zero_diagonal);
    return;
  }
  const float* const x_norms = Norms(call, op.x, n, d, Cosine(op.metric));
  const float* const y_norms = self ? x_norms : Norms(call, op.y, m, d, Cosine(op.metric));
  DistanceArgs args{};
  args.product = {{op.x, d, 1}, {op.y, d, 1}, op.out, m, 0, static_cast<uint32_t>(n), static_cast<uint32_t>(m), static_cast<uint32_t>(d), static_cast<uint32_t>(d)};
  args.block = {op.x, op.y, x_norms, y_norms, d, op.metric};
  args.zero_diagonal = zero_diagonal;
  const size_t tiles = ((n + kTileSide - 1) / kTileSide) * ((m + kTileSide - 1) / kTileSide);
  if (tiles == 0) return;
  args.marks = call.Allocate<uint64_t>(tiles * kTileThreads);
  call.Launch(TileOf(op.metric), {tiles}, args);
  call.Launch(Kernel::k_refine_distances, {tiles}, args);
}

Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept {
  if (op.rows == 0 || op.cols == 0) return Status::kOk;
  Call call(cancel);
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

Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept {
  if (op.n == 0 || op.m == 0) return Status::kOk;
  Call call(cancel);
  const bool self = op.x == op.y && op.n == op.m;
  DistancesOp here = op;
  here.x = call.Upload(op.x, op.n * op.d);
  here.y = self ? here.x : call.Upload(op.y, op.m * op.d);
  here.out = call.Allocate<float>(op.n * op.m);
  LaunchDistances(call, here, self);
  call.Download(op.out, here.out, op.n * op.m);
  return call.Finish();
}

}  // namespace cuda
}  // namespace hypersphere
