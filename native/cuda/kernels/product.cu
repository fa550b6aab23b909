// Products of rows. Fused: what becomes of a dot. A product alone is stored, a logit with its column's scale and bias; a distance is made in
// registers from the dot and the two rows' norms. The entries that the expansion ‖a‖² + ‖b‖² − 2ab cannot resolve are marked, one bit an output,
// and computed again by a kernel of their own, sixteen threads to a pair: a call from the tile would take its registers.
#include "../device.h"
#include "product.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/distance_values.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

template <Metric kMetric>
HYPERSPHERE_DEVICE void DistanceTile(const DistanceArgs& args) {
  const ProductArgs& product = args.product;
  const DistanceBlock& block = args.block;
  const float tau = Threshold(block.d);
  uint64_t marks = 0;
  unsigned output = 0;
  MultiplyTile(product, [&](size_t, size_t row, size_t col, float dot) {
    const bool within = row < product.rows && col < product.cols;
    // Rows beyond the end have the norm of a row that needs nothing.
    const float x_norm = within ? block.x_norms[row] : 1, y_norm = within ? block.y_norms[col] : 1;
    uint32_t marked;
    float value = Finished<kMetric>(dot, x_norm, y_norm, tau, marked);
    if (args.zero_diagonal && args.first_row + row == col) value = marked = 0;
    if (within) product.out[row * product.out_stride + col] = value;
    marks |= static_cast<uint64_t>(within ? marked >> Lane() & 1 : 0) << output++;
  });
  args.marks[static_cast<size_t>(blockIdx.x) * kTileThreads + threadIdx.x] = marks;
}

// The entries of a group's row that are marked, each by all of the group.
template <Metric kMetric>
HYPERSPHERE_DEVICE void RefineTile(const DistanceArgs& args) {
  const uint64_t marks = args.marks[static_cast<size_t>(blockIdx.x) * kTileThreads + threadIdx.x];
  for (unsigned e = 0; e < kOwnSide * kOwnSide; e++) {
    for (uint32_t marked = Ballot(GroupMask(), (marks >> e & 1) != 0) >> (threadIdx.x & 16); marked != 0; marked &= marked - 1) {
      const unsigned owner = LowestBit(marked);
      const size_t row = OutputRow(args.product, threadIdx.x, e), col = OutputCol(args.product, threadIdx.x - Lane() + owner, e);
      float refined;
      Refine<kMetric>(args.block, row, col, 1, &refined);
      if (FirstLane()) args.product.out[row * args.product.out_stride + col] = refined;
    }
  }
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void multiply(const ProductArgs args) {
  MultiplyTile(args, [&](size_t part, size_t row, size_t col, float value) {
    if (row < args.rows && col < args.cols) args.out[part * args.part_stride + row * args.out_stride + col] = value;
  });
}

// The same onto what lies in `out`, without parts. A kernel of its own: another one's registers do not leave room for it.
HYPERSPHERE_KERNEL_BLOCKS(1) void multiply_onto(const ProductArgs args) {
  MultiplyTile(args, [&](size_t, size_t row, size_t col, float value) {
    if (row < args.rows && col < args.cols) args.out[row * args.out_stride + col] = value;
  }, [&](float (&sums)[kOwnSide][kOwnSide]) {
#pragma clang loop unroll(full)
    for (unsigned e = 0; e < kOwnSide * kOwnSide; e++) {
      const size_t row = OutputRow(args, threadIdx.x, e), col = OutputCol(args, threadIdx.x, e);
      if (row < args.rows && col < args.cols) sums[e / kOwnSide][e % kOwnSide] = args.out[row * args.out_stride + col];
    }
  });
}

// 128 registers, of which it would take one more on the newest devices, and have one block less on each processor.
HYPERSPHERE_KERNEL_BLOCKS(2) void multiply_to_logits(const LogitsArgs args) {
  MultiplyTile(args.product, [&](size_t, size_t row, size_t col, float value) {
    if (row >= args.product.rows || col >= args.product.cols) return;
    if (args.col_scales != nullptr) value *= args.col_scales[col];
    if (args.bias != nullptr) value += args.bias[col];
    args.product.out[row * args.product.out_stride + col] = value;
  });
}

HYPERSPHERE_KERNEL void squared_euclidean_tile(const DistanceArgs args) { DistanceTile<Metric::kSquaredEuclidean>(args); }
HYPERSPHERE_KERNEL void euclidean_tile(const DistanceArgs args) { DistanceTile<Metric::kEuclidean>(args); }
HYPERSPHERE_KERNEL void dot_tile(const DistanceArgs args) { DistanceTile<Metric::kDot>(args); }
HYPERSPHERE_KERNEL void cosine_similarity_tile(const DistanceArgs args) { DistanceTile<Metric::kCosineSimilarity>(args); }
HYPERSPHERE_KERNEL void cosine_distance_tile(const DistanceArgs args) { DistanceTile<Metric::kCosineDistance>(args); }

HYPERSPHERE_KERNEL void refine_distances(const DistanceArgs args) {
  switch (args.block.metric) {
    case Metric::kSquaredEuclidean: return RefineTile<Metric::kSquaredEuclidean>(args);
    case Metric::kEuclidean: return RefineTile<Metric::kEuclidean>(args);
    case Metric::kCosineSimilarity: return RefineTile<Metric::kCosineSimilarity>(args);
    case Metric::kCosineDistance: return RefineTile<Metric::kCosineDistance>(args);
    default: return RefineTile<Metric::kDot>(args);
  }
}
