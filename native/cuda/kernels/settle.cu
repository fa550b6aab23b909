// The candidates of a search that the fast product has let pass, each by the thread that marks it: the very dot of product.h, one accumulator over the
// depth by fused multiply-add, finished as a tile finishes it; of a tile that is full of them all entries, by the reproducible engine. Fused: the
// entries that refine_distances computes again are marked at once, in place of the candidates.
#include "../device.h"
#include "product.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/distance_values.h"
HYPERSPHERE_SHARED_CODE_END

#include "finished.h"

namespace hypersphere {
namespace {

// From one candidate in so many on.
constexpr unsigned kMostCandidates = kTileSide * kTileSide / 16;

HYPERSPHERE_DEVICE float DotInOrder(const float* x, const float* y, size_t d) {
  float dot = 0;
  for (size_t k = 0; k < d; k++) dot = __builtin_fmaf(x[k], y[k], dot);
  return dot;
}

// Stores one entry where it is wanted; whether it must be computed again. By all threads of a group together.
HYPERSPHERE_DEVICE uint64_t Settle(const DistanceArgs& args, float tau, bool wanted, size_t row, size_t col, float dot) {
  const DistanceBlock& block = args.block;
  uint32_t marked;
  const float value = FinishedAs(block.metric, dot, wanted ? block.x_norms[row] : 1, wanted ? block.y_norms[col] : 1, tau, marked);
  if (wanted) args.product.out[row * args.product.out_stride + col] = value;
  return wanted ? marked >> Lane() & 1 : 0;
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void settle_candidates(const CandidateArgs candidates) {
  const DistanceArgs& args = candidates.distances;
  const ProductArgs& product = args.product;
  const DistanceBlock& block = args.block;
  const float tau = Threshold(block.d);
  uint64_t* const own = args.marks + static_cast<size_t>(blockIdx.x) * kTileThreads + threadIdx.x;
  uint64_t again = 0;
  unsigned output = 0;
  if (candidates.counts[blockIdx.x] > kMostCandidates) {
    MultiplyTile(product, [&](size_t, size_t row, size_t col, float dot) {
      again |= Settle(args, tau, row < product.rows && col < product.cols, row, col, dot) << output++;
    });
    *own = again;
    return;
  }
  const uint64_t marks = *own;
#pragma clang loop unroll(disable)
  for (; output < kOwnSide * kOwnSide; output++) {
    const bool candidate = (marks >> output & 1) != 0;
    if (Ballot(GroupMask(), candidate) == 0) continue;
    const size_t row = OutputRow(product, threadIdx.x, output), col = OutputCol(product, threadIdx.x, output);
    const float dot = candidate ? DotInOrder(block.x + row * block.d, block.y + col * block.d, block.d) : 1;
    again |= Settle(args, tau, candidate, row, col, dot) << output;
  }
  *own = again;
}
