// The fast engine: a block of 256 threads computes 128 × 128 outputs on tensor cores, each of its 8 warps 64 × 32 of them, in 4 × 4 fragments that
// stay in registers over the whole depth. Both sides are rounded to bfloat16 on their way into shared memory, 32 steps at a time, so a value is read
// from memory, and rounded, once for 128 outputs. Beyond the ends of rows, columns and depth there are zeros. fast.h bounds the error; neither the order of
// the sums nor their rounding is the CPU's.
#pragma once

#include "../args.h"
#include "../tensor.h"
#include "product.h"

namespace hypersphere {
namespace {

constexpr unsigned kFastSteps = 32, kPairs16 = 8, kSidePairs = kFastSteps / 2;
constexpr unsigned kPairStride = kSidePairs + 4;  // keeps a fragment's 32 loads off one another's banks
constexpr unsigned kWarpRows = 64, kWarpCols = 32, kFragmentRows = 16, kFragmentCols = 8;
constexpr unsigned kDown = kWarpRows / kFragmentRows, kAcross = kWarpCols / kFragmentCols;
constexpr unsigned kFastOutputs = kDown * kAcross * 4;

// Steps [first, first + kFastSteps) of kTileSide rows, as [row][pair of steps].
HYPERSPHERE_DEVICE void LoadFastSide(const Rows& source, size_t first_row, size_t rows, size_t first, size_t last, uint32_t* side) {
  const bool along = source.depth_stride == 1;  // side by side threads read what lies side by side
  const unsigned thread = threadIdx.x, rows_at_once = along ? kTileThreads / kSidePairs : kTileSide;
  const unsigned pairs_at_once = kTileThreads / rows_at_once;
  const unsigned own_row = along ? thread / kSidePairs : thread % kTileSide, own_pair = along ? thread % kSidePairs : thread / kTileSide;
#pragma clang loop unroll_count(2)
  for (unsigned i = 0; i < kTileSide * kSidePairs / kTileThreads; i++) {
    const unsigned row = along ? own_row + i * rows_at_once : own_row, pair = along ? own_pair : own_pair + i * pairs_at_once;
    const size_t step = first + 2 * pair;
    const float* const at = source.data + (first_row + row) * source.row_stride + step * source.depth_stride;
    const bool within = first_row + row < rows;
    const float low = within && step < last ? at[0] : 0, high = within && step + 1 < last ? at[source.depth_stride] : 0;
    side[row * kPairStride + pair] = PairOf(low, high);
  }
}

// Where output e of a thread lies in its tile.
HYPERSPHERE_DEVICE unsigned FastRow(unsigned e) {
  return threadIdx.x / 128 * kWarpRows + e / (kAcross * 4) * kFragmentRows + threadIdx.x % 32 / 4 + e % 4 / 2 * 8;
}
HYPERSPHERE_DEVICE unsigned FastCol(unsigned e) {
  return threadIdx.x / 32 % 4 * kWarpCols + e / 4 % kAcross * kFragmentCols + threadIdx.x % 4 * 2 + e % 2;
}

// 16 steps of the depth, from the pair `from` on.
HYPERSPHERE_DEVICE void FastStep(const uint32_t* left, const uint32_t* right, unsigned from, float (&sums)[kDown][kAcross][4]) {
  const unsigned lane = threadIdx.x % 32, group = lane / 4, own_pair = from + lane % 4;
  const unsigned warp_row = threadIdx.x / 128 * kWarpRows, warp_col = threadIdx.x / 32 % 4 * kWarpCols;
  uint32_t b[kAcross][2];
#pragma clang loop unroll(full)
  for (unsigned j = 0; j < kAcross; j++) {
    const uint32_t* const at = right + (warp_col + j * kFragmentCols + group) * kPairStride + own_pair;
    b[j][0] = at[0];
    b[j][1] = at[4];
  }
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < kDown; i++) {
    const uint32_t* const at = left + (warp_row + i * kFragmentRows + group) * kPairStride + own_pair;
    const uint32_t a[4] = {at[0], at[8 * kPairStride], at[4], at[8 * kPairStride + 4]};
#pragma clang loop unroll(full)
    for (unsigned j = 0; j < kAcross; j++) MultiplyFragments(a, b[j], sums[i][j]);
  }
}

// finish(part, row in the tile, column in the tile, value) for every output of the block, by all threads of a warp together; rows and columns may
// lie beyond the ends.
template <class Finish>
HYPERSPHERE_DEVICE void MultiplyFastTile(const ProductArgs& args, const Finish& finish) {
  SHARED_ARRAY(uint32_t, left, kTileSide * kPairStride);
  SHARED_ARRAY(uint32_t, right, kTileSide * kPairStride);
  const size_t across = TilesAcross(args), row = blockIdx.x / across * kTileSide, col = blockIdx.x % across * kTileSide;
  const size_t part = blockIdx.y, from = part * args.depth_of_part;
  const size_t to = args.depth - from < args.depth_of_part ? args.depth : from + args.depth_of_part;
  float sums[kDown][kAcross][4] = {};
  for (size_t k = from; k < to; k += kFastSteps) {
    LoadFastSide(args.left, row, args.rows, k, to, left);
    LoadFastSide(args.right, col, args.cols, k, to, right);
    SyncThreads();
#pragma clang loop unroll(full)
    for (unsigned s = 0; s < kSidePairs; s += kPairs16) FastStep(left, right, s, sums);
    SyncThreads();
  }
  // Copied for one piece of epilogue, as in kernels/product.h.
  float finished[kFastOutputs];
#pragma clang loop unroll(full)
  for (unsigned e = 0; e < kFastOutputs; e++) finished[e] = sums[e / (kAcross * 4)][e / 4 % kAcross][e % 4];
#pragma clang loop unroll(disable)
  for (unsigned e = 0; e < kFastOutputs; e++) finish(part, FastRow(e), FastCol(e), finished[e]);
}

}  // namespace
}  // namespace hypersphere
