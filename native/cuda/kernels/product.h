// The GPU's engine: a block of 256 threads computes 128 × 128 outputs, 8 × 8 a thread, which stay in registers over the whole depth; both
// sides pass through shared memory 16 steps at a time, so a value is read from memory once for 128 outputs. Every output is one
// accumulator that takes its products in order of the depth by fused multiply-add, as in kernels/tile.h: the tile leaves no trace in the bits.
// The finished values go to an epilogue in registers. A group of 16 threads has the same rows and side by side columns.
#pragma once

#include "../args.h"

namespace hypersphere {
namespace {

constexpr unsigned kTileSteps = 16;
constexpr unsigned kSideStride = kTileSide + 4;  // keeps the transposing stores off one bank
constexpr unsigned kOwnSide = 8;

// Steps [first, first + kTileSteps) of kTileSide rows, as [step][row]; 0 beyond the ends.
HYPERSPHERE_DEVICE void LoadSide(const Rows& source, size_t first_row, size_t rows, size_t first, size_t last, float* side) {
  const unsigned thread = threadIdx.x;
  if (source.depth_stride == 1) {
    const unsigned row = thread / 2, from = thread % 2 * (kTileSteps / 2);
    const float* const at = source.data + (first_row + row) * source.row_stride + first + from;
#pragma clang loop unroll(full)
    for (unsigned k = 0; k < kTileSteps / 2; k++) {
      side[(from + k) * kSideStride + row] = first_row + row < rows && first + from + k < last ? at[k] : 0;
    }
  } else {
    const unsigned row = thread % kTileSide, from = thread / kTileSide;
    const float* const at = source.data + (first_row + row) * source.row_stride + first * source.depth_stride;
#pragma clang loop unroll(full)
    for (unsigned k = from; k < kTileSteps; k += kTileThreads / kTileSide) {
      side[k * kSideStride + row] = first_row + row < rows && first + k < last ? at[k * source.depth_stride] : 0;
    }
  }
}

HYPERSPHERE_DEVICE void Step(const float* left, const float* right, unsigned own_row, unsigned own_col, float (&sums)[kOwnSide][kOwnSide]) {
  float a[kOwnSide], b[kOwnSide];
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < kOwnSide; i++) {
    const unsigned at = i % 4 + i / 4 * (kTileSide / 2);
    a[i] = left[own_row + at];
    b[i] = right[own_col + at];
  }
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < kOwnSide; i++) {
#pragma clang loop unroll(full)
    for (unsigned j = 0; j < kOwnSide; j++) sums[i][j] = __builtin_fmaf(a[i], b[j], sums[i][j]);
  }
}

// Where output e of a thread lies.
HYPERSPHERE_DEVICE size_t TilesAcross(const ProductArgs& args) { return (static_cast<size_t>(args.cols) + kTileSide - 1) / kTileSide; }
HYPERSPHERE_DEVICE size_t OutputRow(const ProductArgs& args, unsigned thread, unsigned e) {
  const unsigned i = e / kOwnSide;
  return blockIdx.x / TilesAcross(args) * kTileSide + thread / 16 * 4 + i % 4 + i / 4 * (kTileSide / 2);
}
HYPERSPHERE_DEVICE size_t OutputCol(const ProductArgs& args, unsigned thread, unsigned e) {
  const unsigned j = e % kOwnSide;
  return blockIdx.x % TilesAcross(args) * kTileSide + thread % 16 * 4 + j % 4 + j / 4 * (kTileSide / 2);
}

struct FromZero {
  HYPERSPHERE_DEVICE void operator()(float (&)[kOwnSide][kOwnSide]) const {}
};

// finish(part, row, col, value) for every output of the block, by all threads of a group together; rows and columns may lie beyond the ends.
// start(sums) may give a thread's sums other values than 0 to go on from.
template <class Finish, class Start = FromZero>
HYPERSPHERE_DEVICE void MultiplyTile(const ProductArgs& args, const Finish& finish, const Start& start = {}) {
  SHARED_ARRAY(float, left, kTileSteps * kSideStride);
  SHARED_ARRAY(float, right, kTileSteps * kSideStride);
  const size_t across = TilesAcross(args), row = blockIdx.x / across * kTileSide, col = blockIdx.x % across * kTileSide;
  const size_t part = blockIdx.y, from = part * args.depth_of_part;
  const size_t to = args.depth - from < args.depth_of_part ? args.depth : from + args.depth_of_part;
  const unsigned own_row = threadIdx.x / 16 * 4, own_col = threadIdx.x % 16 * 4;
  float sums[kOwnSide][kOwnSide] = {};
  start(sums);
  for (size_t k = from; k < to; k += kTileSteps) {
    LoadSide(args.left, row, args.rows, k, to, left);
    LoadSide(args.right, col, args.cols, k, to, right);
    SyncThreads();
    if (to - k >= kTileSteps) {
#pragma clang loop unroll(full)
      for (unsigned s = 0; s < kTileSteps; s++) Step(left + s * kSideStride, right + s * kSideStride, own_row, own_col, sums);
    } else {
      for (unsigned s = 0; s < to - k; s++) Step(left + s * kSideStride, right + s * kSideStride, own_row, own_col, sums);
    }
    SyncThreads();
  }
  // Copied, so that the epilogue is one piece of code and not 64: indexed by a loop it lies in the first level of cache, and the sums did not.
  float finished[kOwnSide][kOwnSide];
#pragma clang loop unroll(full)
  for (unsigned i = 0; i < kOwnSide; i++) {
#pragma clang loop unroll(full)
    for (unsigned j = 0; j < kOwnSide; j++) finished[i][j] = sums[i][j];
  }
#pragma clang loop unroll(disable)
  for (unsigned e = 0; e < kOwnSide * kOwnSide; e++) {
    finish(part, OutputRow(args, threadIdx.x, e), OutputCol(args, threadIdx.x, e), finished[e / kOwnSide][e % kOwnSide]);
  }
}

}  // namespace
}  // namespace hypersphere
