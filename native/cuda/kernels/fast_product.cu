// Products of rows on tensor cores. Fused, as in product.cu: what becomes of a dot. Entries that need more than the fast product has are marked
// as the reproducible tile would mark them, so that its kernels go on from there: near rows, and in a search whatever may be a neighbour. The
// norms are the reproducible kernel's.
#include "../device.h"
#include "fast_product.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/distance_values.h"
#include "../../kernels/rank.h"
HYPERSPHERE_SHARED_CODE_END

#include "finished.h"

namespace hypersphere {
namespace {

// Squared distances up to an eighth of ‖a‖² + ‖b‖² are computed again: what the fast product leaves of the others is right to 1/16 in the worst case.
constexpr float kNearInFast = 0x1p-3f;

// One bit an output, where the thread of product.h that has it would put it.
constexpr unsigned kMarkWords = 2 * kTileThreads;
HYPERSPHERE_DEVICE void ClearMarks(unsigned* marks) {
  marks[2 * threadIdx.x] = marks[2 * threadIdx.x + 1] = 0;
  SyncThreads();
}
HYPERSPHERE_DEVICE void Mark(unsigned* marks, unsigned row, unsigned col) {
  constexpr unsigned kHalf = kTileSide / 2;
  const unsigned thread = row % kHalf / 4 * 16 + col % kHalf / 4;
  const unsigned output = (row % 4 + row / kHalf * 4) * kOwnSide + col % 4 + col / kHalf * 4;
  // No bit is set twice.
  AtomicAdd(marks + 2 * thread + output / 32, 1u << output % 32);
}
HYPERSPHERE_DEVICE uint64_t OwnMarks(const unsigned* marks) {
  SyncThreads();
  return marks[2 * threadIdx.x] | static_cast<uint64_t>(marks[2 * threadIdx.x + 1]) << 32;
}

HYPERSPHERE_DEVICE float Between(float least, float value, float most) { return value > most ? most : value < least ? least : value; }

// The product's error takes a cosine beyond what it may be.
HYPERSPHERE_DEVICE float FinishedFast(Metric metric, float dot, float x_norm, float y_norm, float tau, uint32_t& marked) {
  const float value = FinishedAs(metric, dot, x_norm, y_norm, tau, marked);
  if (metric == Metric::kCosineSimilarity) return Between(-1, value, 1);
  return metric == Metric::kCosineDistance ? Between(0, value, 2) : value;
}

// Whether the margin holds for a row of this norm: no square was lost, none is infinite.
HYPERSPHERE_DEVICE bool Ordinary(float norm, bool inverse) {
  return inverse ? norm >= 0x1p-50f && norm <= 0x1p30f : norm >= 0x1p-60f && norm <= 0x1p100f;
}

// Whether a distance whose fast dot is this may have a key of `limit` or less. Roundings here are monotone: what is not above the limit does not
// get there; the square of the limit has some room of its own.
HYPERSPHERE_DEVICE bool MayRank(Metric metric, float dot, float x_norm, float y_norm, float margin, float limit) {
  const bool cosine = metric == Metric::kCosineSimilarity || metric == Metric::kCosineDistance;
  if (!Ordinary(x_norm, cosine) || !Ordinary(y_norm, cosine)) return true;
  float least;
  if (metric == Metric::kSquaredEuclidean || metric == Metric::kEuclidean) {
    const float squares = x_norm + y_norm;
    least = __builtin_fmaf(dot, -2, squares) - margin * squares;
    if (metric == Metric::kEuclidean) limit = limit * limit * (1 + 0x1p-20f);
  } else if (metric == Metric::kDot) {
    least = -dot - margin * (__builtin_sqrtf(x_norm) * __builtin_sqrtf(y_norm));
  } else {
    const float value = dot * (x_norm * y_norm);
    least = (metric == Metric::kCosineDistance ? 1 - value : -value) - margin;
  }
  return !(least > limit);
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void fast_multiply(const ProductArgs args) {
  const size_t first_row = OutputRow(args, 0, 0), first_col = OutputCol(args, 0, 0);
  MultiplyFastTile(args, [&](size_t part, unsigned r, unsigned c, float value) {
    const size_t row = first_row + r, col = first_col + c;
    if (row < args.rows && col < args.cols) args.out[part * args.part_stride + row * args.out_stride + col] = value;
  });
}

HYPERSPHERE_KERNEL void fast_multiply_to_logits(const LogitsArgs args) {
  const ProductArgs& product = args.product;
  const size_t first_row = OutputRow(product, 0, 0), first_col = OutputCol(product, 0, 0);
  MultiplyFastTile(product, [&](size_t, unsigned r, unsigned c, float value) {
    const size_t row = first_row + r, col = first_col + c;
    if (row >= product.rows || col >= product.cols) return;
    if (args.col_scales != nullptr) value *= args.col_scales[col];
    if (args.bias != nullptr) value += args.bias[col];
    product.out[row * product.out_stride + col] = value;
  });
}

HYPERSPHERE_KERNEL void fast_distances(const DistanceArgs args) {
  SHARED_ARRAY(unsigned, marks, kMarkWords);
  const ProductArgs& product = args.product;
  const DistanceBlock& block = args.block;
  const size_t first_row = OutputRow(product, 0, 0), first_col = OutputCol(product, 0, 0);
  const float tau = Threshold(block.d) + kNearInFast;
  ClearMarks(marks);
  MultiplyFastTile(product, [&](size_t, unsigned r, unsigned c, float dot) {
    const size_t row = first_row + r, col = first_col + c;
    const bool within = row < product.rows && col < product.cols;
    const float x_norm = within ? block.x_norms[row] : 1, y_norm = within ? block.y_norms[col] : 1;
    uint32_t marked;
    float value = FinishedFast(block.metric, dot, x_norm, y_norm, tau, marked);
    if (args.zero_diagonal && args.first_row + row == col) value = marked = 0;
    if (!within) return;
    product.out[row * product.out_stride + col] = value;
    if ((marked >> Lane() & 1) != 0) Mark(marks, r, c);
  });
  args.marks[static_cast<size_t>(blockIdx.x) * kTileThreads + threadIdx.x] = OwnMarks(marks);
}

// What is no candidate becomes NaN, which ranks after every bound that there is.
HYPERSPHERE_KERNEL void fast_candidates(const CandidateArgs args) {
  SHARED_ARRAY(unsigned, marks, kMarkWords);
  SHARED_ARRAY(unsigned, count, 1);
  const ProductArgs& product = args.distances.product;
  const DistanceBlock& block = args.distances.block;
  const size_t first_row = OutputRow(product, 0, 0), first_col = OutputCol(product, 0, 0);
  if (threadIdx.x == 0) *count = 0;
  ClearMarks(marks);
  MultiplyFastTile(product, [&](size_t, unsigned r, unsigned c, float dot) {
    const size_t row = first_row + r, col = first_col + c;
    if (row >= product.rows || col >= product.cols) return;
    const float limit = KeyOf(static_cast<uint32_t>(args.bounds[row] >> 32));
    product.out[row * product.out_stride + col] = __builtin_nanf("");
    if (MayRank(block.metric, dot, block.x_norms[row], block.y_norms[col], args.margin, limit)) Mark(marks, r, c);
  });
  const uint64_t own = OwnMarks(marks);
  args.distances.marks[static_cast<size_t>(blockIdx.x) * kTileThreads + threadIdx.x] = own;
  if (own != 0) AtomicAdd(count, static_cast<unsigned>(__builtin_popcountll(own)));
  SyncThreads();
  if (threadIdx.x == 0) args.counts[blockIdx.x] = *count;
}
