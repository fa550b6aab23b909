// Distances: through the product of rows where the metric is a function of dots and norms, else pair by pair from
// differences in blocks that keep their rows of y in the second level of cache.
#include "../cpu.h"
#include "moments.h"
#include "ops.h"
#include "product.h"

namespace hypersphere {
namespace {

constexpr size_t kBlockRows = 32;
constexpr size_t kBlockFloats = size_t{32} << 10;

Status PairByPair(const DistancesOp& op, const std::atomic<bool>* cancel) {
  const KernelTable& kernels = CurrentKernels();
  const int threads = ThreadsFor(op.n, op.m, op.d);
  const bool snr = op.metric == Metric::kSnr;
  PairMoments moments;
  const Status taken = moments.Take(kernels, op, snr, true, cancel, threads);
  if (taken != Status::kOk) return taken;
  size_t block_cols = kBlockFloats / (op.d + 1);
  block_cols = block_cols < 8 ? 8 : block_cols > 256 ? 256 : block_cols;
  const size_t across = DivideUp(op.m, block_cols);
  const auto block = [&](size_t index, int) {
    const size_t row = index / across * kBlockRows, col = index % across * block_cols;
    kernels.differences({op.x + row * op.d, op.y + col * op.d, moments.x + row, moments.y + col, op.out + row * op.m + col, op.m,
                         Least(kBlockRows, op.n - row), Least(block_cols, op.m - col), op.d, op.metric});
  };
  return ParallelFor(DivideUp(op.n, kBlockRows) * across, block, cancel, threads);
}

}  // namespace

Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept {
  if (op.n == 0 || op.m == 0) return Status::kOk;
  const bool differences = op.metric == Metric::kManhattan || op.metric == Metric::kSnr;
  const Status status = differences ? PairByPair(op, cancel) : Product({{op.x, op.d, 1}, {op.y, op.d, 1}, op.n, op.m, op.d, op.out, &op}, cancel);
  // A row is itself, whatever it holds: the reference says so for the two metrics that divide.
  const bool self = op.x == op.y && op.n == op.m;
  if (status == Status::kOk && self && (op.metric == Metric::kCosineDistance || op.metric == Metric::kSnr)) {
    for (size_t i = 0; i < op.n; i++) op.out[i * op.m + i] = 0;
  }
  return status;
}

}  // namespace hypersphere
