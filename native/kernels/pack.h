// Packing: rows laid side by side, [depth][width], so that the tile reads both its sides straight through. Where the depth
// runs contiguously in memory, blocks of kLanes × kLanes are transposed in registers; nothing is read twice. The squared
// norms come from the packed panels: there the sum over the depth is one accumulator a row, in the order of a dot.
#pragma once

#include "../api.h"
#include "../simd/vec.h"

namespace hypersphere {
namespace {

#if defined(HYPERSPHERE_LEVEL_AVX512)
constexpr size_t kTileRows = 14, kTileVectors = 2;
#elif defined(HYPERSPHERE_LEVEL_AVX2)
constexpr size_t kTileRows = 6, kTileVectors = 2;
#elif defined(HYPERSPHERE_LEVEL_NEON)
constexpr size_t kTileRows = 8, kTileVectors = 2;
#else
constexpr size_t kTileRows = 4, kTileVectors = 2;
#endif
constexpr size_t kTileCols = kTileVectors * kLanes;
constexpr size_t kLeftWidth = (kTileRows + kLanes - 1) / kLanes * kLanes;

// First row of a left panel: an even share, so that no panel is nearly empty.
HYPERSPHERE_INLINE size_t PanelStart(size_t rows, size_t panel) {
  const size_t panels = (rows + kTileRows - 1) / kTileRows;
  const size_t base = rows / panels, longer = rows % panels;
  return panel * base + Least(panel, longer);
}

// Up to kLanes rows whose depth is contiguous; absent rows become zeros.
template <size_t kWidth>
void PackTransposed(const float* source, size_t row_stride, size_t rows, size_t depth, float* panel) {
  V block[kLanes];
  size_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; i++) block[i] = i < rows ? Load(source + i * row_stride + k) : Zero();
    Transpose(block);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; i++) Store(block[i], panel + (k + i) * kWidth);
  }
  if (k == depth) return;
  const size_t steps = depth - k;
  for (size_t i = 0; i < kLanes; i++) block[i] = i < rows ? LoadN(source + i * row_stride + k, steps) : Zero();
  Transpose(block);
  for (size_t i = 0; i < steps; i++) Store(block[i], panel + (k + i) * kWidth);
}

template <size_t kWidth>
void PackPanel(const Rows& source, size_t first_row, size_t rows, size_t depth, float* panel) {
  const float* data = source.data + first_row * source.row_stride;
  if (source.depth_stride == 1) {
    for (size_t r = 0; r < kWidth; r += kLanes) {
      const size_t present = r < rows ? Least(kLanes, rows - r) : 0;
      PackTransposed<kWidth>(data + r * source.row_stride, source.row_stride, present, depth, panel + r);
    }
    return;
  }
  for (size_t k = 0; k < depth; k++) {
    for (size_t r = 0; r < kWidth; r += kLanes) {
      const size_t present = r < rows ? Least(kLanes, rows - r) : 0;
      const float* from = data + k * source.depth_stride + r;
      Store(present == kLanes ? Load(from) : present > 0 ? LoadN(from, present) : Zero(), panel + k * kWidth + r);
    }
  }
}

template <size_t kWidth>
void AddSquares(const float* panel, size_t rows, size_t depth, float* sums) {
  for (size_t r = 0; r < rows; r += kLanes) {
    const size_t present = Least(kLanes, rows - r);
    V sum = LoadN(sums + r, present);
    for (size_t k = 0; k < depth; k++) {
      const V v = Load(panel + k * kWidth + r);
      sum = Fma(v, v, sum);
    }
    StoreN(sum, sums + r, present);
  }
}

void PackLeft(const Rows& source, size_t rows, size_t depth, size_t first, size_t last, float* panels) {
  for (size_t p = first; p < last; p++) {
    const size_t start = PanelStart(rows, p);
    PackPanel<kLeftWidth>(source, start, PanelStart(rows, p + 1) - start, depth, panels + p * depth * kLeftWidth);
  }
}

void PackRight(const Rows& source, size_t rows, size_t depth, float* panels) {
  for (size_t r = 0; r < rows; r += kTileCols) {
    PackPanel<kTileCols>(source, r, Least(kTileCols, rows - r), depth, panels + r * depth);
  }
}

void NormsLeft(const float* panels, size_t rows, size_t depth, size_t first, size_t last, float* sums) {
  for (size_t p = first; p < last; p++) {
    const size_t start = PanelStart(rows, p);
    AddSquares<kLeftWidth>(panels + p * depth * kLeftWidth, PanelStart(rows, p + 1) - start, depth, sums + start);
  }
}

void NormsRight(const float* panels, size_t rows, size_t depth, float* sums) {
  for (size_t r = 0; r < rows; r += kTileCols) AddSquares<kTileCols>(panels + r * depth, Least(kTileCols, rows - r), depth, sums + r);
}

}  // namespace
}  // namespace hypersphere
