// The engine: C = A·Bᵀ over packed panels, tile by tile, each finished tile handed to an epilogue while it is in the first
// level of cache. A tile's kTileRows × kTileVectors accumulators stay in registers over the whole depth block; per depth
// step it loads kTileVectors vectors of B and broadcasts kTileRows values of A. Every output is one accumulator that takes
// its products in order of the depth. Where the depth is blocked the accumulator is stored and loaded again, so neither
// tile nor blocking nor vector width leaves a trace in the bits.
#pragma once

#include "pack.h"

namespace hypersphere {
namespace {

using TileFunction = void (*)(const float* left, const float* right, size_t depth, float* out, size_t stride, bool accumulate);

template <size_t kRows>
__attribute__((noinline)) void Tile(const float* left, const float* right, size_t depth, float* out, size_t stride, bool accumulate) {
  V sums[kRows][kTileVectors] = {};
  if (accumulate) {
    const float* row = out;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++, row += stride) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; v++) sums[i][v] = Load(row + v * kLanes);
    }
  }
  for (size_t k = 0; k < depth; k++) {
    V b[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) b[v] = Load(right + v * kLanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
      const V a = Set(left[i]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; v++) sums[i][v] = Fma(a, b[v], sums[i][v]);
    }
    left += kLeftWidth;
    right += kTileCols;
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; i++, out += stride) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) Store(sums[i][v], out + v * kLanes);
  }
}

template <size_t... I>
struct Tiles {
  static constexpr TileFunction kOf[] = {Tile<I + 1>...};
};
template <size_t... I>
constexpr TileFunction TileOf(size_t rows, LaneList<I...>) {
  return Tiles<I...>::kOf[rows - 1];
}

// Where a finished tile goes. kInPlace: whole tiles are summed in `out` itself, and only those narrower than their panel
// come through the epilogue. Others are always handed over in a scratch tile: rows of `out` that are a power of two apart
// would evict one another from the first level of cache before the epilogue reads them.
struct StoreTile {
  static constexpr bool kInPlace = true;
  HYPERSPHERE_INLINE void operator()(const float* tile, float* out, size_t stride, size_t, size_t, size_t rows, size_t cols) const {
    for (size_t i = 0; i < rows; i++) __builtin_memcpy(out + i * stride, tile + i * kTileCols, cols * sizeof(float));
  }
};

// finish(tile, out, stride, first_row, first_col, rows, cols) for each tile when its sums are complete.
template <class Epilogue>
HYPERSPHERE_INLINE void MultiplyPanels(const PanelProduct& product, const Epilogue& finish) {
  alignas(64) float scratch[kTileRows * kTileCols] = {};
  const size_t stride = product.out_stride;
  for (size_t p = product.first_panel; p < product.last_panel; p++) {
    const size_t row = PanelStart(product.rows, p), rows = PanelStart(product.rows, p + 1) - row;
    const TileFunction tile = TileOf(rows, MakeLanes<kTileRows>::Type());
    const float* left = product.left + p * product.depth * kLeftWidth;
    for (size_t col = 0; col < product.cols; col += kTileCols) {
      const size_t cols = Least(kTileCols, product.cols - col);
      const float* right = product.right + col * product.depth;
      float* out = product.out + (row - product.out_row) * stride + col;
      if (Epilogue::kInPlace && cols == kTileCols) {
        tile(left, right, product.depth, out, stride, product.accumulate);
        continue;
      }
      if (product.accumulate) {
        for (size_t i = 0; i < rows; i++) __builtin_memcpy(scratch + i * kTileCols, out + i * stride, cols * sizeof(float));
      }
      tile(left, right, product.depth, scratch, kTileCols, product.accumulate);
      finish(scratch, out, stride, row, col, rows, cols);
    }
  }
}

void Multiply(const PanelProduct& product) { MultiplyPanels(product, StoreTile()); }

}  // namespace
}  // namespace hypersphere
