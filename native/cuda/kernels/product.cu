// Products of rows. Fused: what becomes of a dot. A product alone is stored; a distance is made in registers from the dot and the two rows'
// norms, and the entries that the expansion ‖a‖² + ‖b‖² − 2ab cannot resolve are computed again by the group that has them, sixteen
// threads to a pair, before anything is stored.
#include "../device.h"
#include "product.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/distance_values.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

// The entries of a group's row whose bits are set, each by all of the group for the lane that has it. A function of its own: it is rare, and
// called from every output of a thread.
template <Metric kMetric>
__attribute__((noinline)) HYPERSPHERE_DEVICE float Refined(const DistanceBlock& block, size_t row, size_t col, uint32_t marked, float value) {
  for (; marked != 0; marked &= marked - 1) {
    const int owner = __builtin_ctz(marked);
    const size_t of = static_cast<size_t>(Shuffle(GroupMask(), static_cast<int>(col), static_cast<int>(threadIdx.x & 16) + owner));
    float refined;
    Refine<kMetric>(block, row, of, 1, &refined);
    if (Lane() == static_cast<unsigned>(owner)) value = refined;
  }
  return value;
}

template <Metric kMetric>
HYPERSPHERE_DEVICE void DistanceTile(const DistanceArgs& args) {
  const ProductArgs& product = args.product;
  const DistanceBlock& block = args.block;
  const float tau = Threshold(block.d);
  MultiplyTile(product, [&](size_t, size_t row, size_t col, float dot) {
    const bool within = row < product.rows && col < product.cols;
    // Rows beyond the end have the norm of a row that needs nothing.
    const float x_norm = within ? block.x_norms[row] : 1, y_norm = within ? block.y_norms[col] : 1;
    uint32_t marked;
    float value = Finished<kMetric>(dot, x_norm, y_norm, tau, marked);
    marked &= Ballot(GroupMask(), within) >> (threadIdx.x & 16);
    if (marked != 0) value = Refined<kMetric>(block, row, col, marked, value);
    if (args.zero_diagonal && row == col) value = 0;
    if (within) product.out[row * product.out_stride + col] = value;
  });
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void multiply(const ProductArgs args) {
  MultiplyTile(args, [&](size_t part, size_t row, size_t col, float value) {
    if (row < args.rows && col < args.cols) args.out[part * args.part_stride + row * args.out_stride + col] = value;
  });
}

HYPERSPHERE_KERNEL void multiply_to_logits(const LogitsArgs args) {
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
