// Distances. Fused with the engine: norms, roots and the search for entries that the expansion ‖a‖² + ‖b‖² − 2ab cannot
// resolve, all on a tile that has just left the registers and lies in the first level of cache. Those entries are computed
// again from the rows' differences: a few of one row at a time, or, where a tile is full of them (data far from the origin), all pairs
// of two rows with a run of columns, by the same sums. manhattan and snr are no function of a product: they run pair by pair,
// a row of x in registers and cache against a block of rows of y.
//
// Which entries: with u = 2⁻²⁴ and s = ‖a‖² + ‖b‖², the three sums of d products each round d times. Their error is at most
// (2d + 3)·u·s, and for roundings of mean zero it stays within ½·√(d + 2)·2·u·s but for a vanishing share of pairs (Higham &
// Mary 2019; measured maxima at d = 512 are 0.7·√d·u·s). An entry is kept where that is at most 2⁻¹⁵ of its value: where
// d² > τ·s with τ = √(d + 2)·2¹⁵·u = √(d + 2)·2⁻⁹. Then the worst case leaves a relative error below √d·2⁻¹³, the usual
// one 2⁻¹⁵ (half of that after the root). For unit rows s = 2, so cosineDistance = d²/2 has the very same threshold; its
// difference form holds for norms within a factor of two, and other marked pairs are computed in float64.
// 2⁻¹⁰⁰ more catches rows so short that their squares lose bits; the comparison "not greater" catches infinity and NaN.
#pragma once

#include "distance_values.h"
#include "tile.h"

namespace hypersphere {
namespace {

// From so many marked pairs of a block of kBlockPairs on it is cheaper to compute them all.
constexpr int kManyMarked = 5;

// The entries of rows `row` and `row` + 1 whose bits are set in `wanted`, as BlockSums orders them; returns those that it wrote, the
// others are for Refine. Unwanted columns may lie beyond the block's last: a wanted one stands in for them.
template <Metric kMetric>
HYPERSPHERE_INLINE uint32_t RefineBlock(const DistanceBlock& block, size_t row, size_t first_col, uint32_t wanted, float* out, size_t stride) {
  constexpr uint32_t kRowMask = (1u << kBlockCols) - 1, kAll = kRowMask << kBlockCols | kRowMask;
  const size_t d = block.d;
  const float* const x[2] = {block.x + row * d, block.x + row * d + d};
  const uint32_t present = (wanted | wanted >> kBlockCols) & kRowMask;
  const size_t last = 31 - static_cast<size_t>(__builtin_clz(present));
  const float* const first = block.y + first_col * d;
  const float* y[kBlockCols];
#pragma GCC unroll 8
  for (size_t c = 0; c < kBlockCols; c++) y[c] = first + Least(c, last) * d;
  V sums[kBlockPairs / kLanes];
  BlockSums(x, y, d, sums);
  alignas(64) float values[kBlockPairs];
#pragma GCC unroll 4
  for (size_t v = 0; v < kBlockPairs / kLanes; v++) {
    const uint32_t unsafe = NotGreaterBits(sums[v], Set(kSmallestSafeSquare)) | NotGreaterBits(Set(__builtin_inff()), sums[v]);
    wanted &= ~(unsafe << (v * kLanes));
    Store(kMetric == Metric::kEuclidean ? Sqrt(sums[v]) : sums[v], values + v * kLanes);
  }
  if (wanted == kAll) {
    __builtin_memcpy(out, values, kBlockCols * sizeof(float));
    __builtin_memcpy(out + stride, values + kBlockCols, kBlockCols * sizeof(float));
  } else {
    for (uint32_t left = wanted; left != 0; left &= left - 1) {
      const size_t p = static_cast<size_t>(__builtin_ctz(left));
      out[p / kBlockCols * stride + p % kBlockCols] = values[p];
    }
  }
  return wanted;
}

// The marked entries of a whole tile: marks[i] has the columns of row i. Two rows' blocks full of them are computed together.
template <Metric kMetric>
__attribute__((noinline)) void RefineTile(const DistanceBlock& block, size_t first_row, size_t first_col, size_t rows, const uint32_t* marks,
                                          float* out, size_t stride) {
  constexpr uint32_t kRowMask = (1u << kBlockCols) - 1;
  for (size_t i = 0; i < rows; i += 2) {
    float* const to = out + i * stride;
    const uint32_t marked[2] = {marks[i], i + 1 < rows ? marks[i + 1] : 0};
    uint32_t left[2] = {marked[0], marked[1]};  // apart, so that no block waits for the results of the one before
    if constexpr (kMetric == Metric::kEuclidean || kMetric == Metric::kSquaredEuclidean) {
      for (size_t col = 0; col < kTileCols && i + 1 < rows; col += kBlockCols) {
        const uint32_t wanted = (marked[0] >> col & kRowMask) | (marked[1] >> col & kRowMask) << kBlockCols;
        if (__builtin_popcount(wanted) < kManyMarked) continue;
        const uint32_t done = RefineBlock<kMetric>(block, first_row + i, first_col + col, wanted, to + col, stride);
        left[0] &= ~((done & kRowMask) << col);
        left[1] &= ~(done >> kBlockCols << col);
      }
    }
    for (size_t r = 0; r < 2; r++) {
      if (left[r] != 0) Refine<kMetric>(block, first_row + i + r, first_col, left[r], to + r * stride);
    }
  }
}

template <Metric kMetric>
struct DistanceTile {
  static constexpr bool kInPlace = false;
  const DistanceBlock& block;
  V tau;

  HYPERSPHERE_INLINE void operator()(const float* tile, float* out, size_t stride, size_t first_row, size_t first_col, size_t rows, size_t cols) const {
    V y_norms[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) y_norms[v] = Load(block.y_norms + first_col + v * kLanes);
    uint32_t marks[kTileRows], any = 0;
    for (size_t i = 0; i < rows; i++, tile += kTileCols) {
      const V x_norm = Set(block.x_norms[first_row + i]);
      float* const to = out + i * stride;
      uint32_t marked = 0;
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; v++) {
        uint32_t bits;
        const V value = Finished<kMetric>(Load(tile + v * kLanes), x_norm, y_norms[v], tau, bits);
        marked |= bits << (v * kLanes);
        if (cols == kTileCols) {
          Store(value, to + v * kLanes);
        } else if (cols > v * kLanes) {
          StoreN(value, to + v * kLanes, Least(kLanes, cols - v * kLanes));
        }
      }
      if (cols < kTileCols) marked &= (1u << cols) - 1;
      any |= marks[i] = marked;
    }
    if (any != 0) RefineTile<kMetric>(block, first_row, first_col, rows, marks, out, stride);
  }
};

template <Metric kMetric>
__attribute__((noinline)) void ProductToDistances(const PanelProduct& product, const DistanceBlock& block) {
  MultiplyPanels(product, DistanceTile<kMetric>{block, Set(Threshold(block.d))});
}

void MultiplyToDistances(const PanelProduct& product, const DistanceBlock& block) {
  switch (block.metric) {
    case Metric::kSquaredEuclidean: return ProductToDistances<Metric::kSquaredEuclidean>(product, block);
    case Metric::kEuclidean: return ProductToDistances<Metric::kEuclidean>(product, block);
    case Metric::kCosineSimilarity: return ProductToDistances<Metric::kCosineSimilarity>(product, block);
    case Metric::kCosineDistance: return ProductToDistances<Metric::kCosineDistance>(product, block);
    default: return ProductToDistances<Metric::kDot>(product, block);
  }
}

void Differences(const DifferenceBlock& block) {
  for (size_t i = 0; i < block.rows; i++) {
    for (size_t j = 0; j < block.cols; j += kPairs) {
      const float* y[kPairs];
      for (size_t p = 0; p < kPairs; p++) y[p] = block.y + Least(j + p, block.cols - 1) * block.d;
      float values[kPairs];
      if (block.metric == Metric::kManhattan) {
        PairSums(block.x + i * block.d, y, block.d, AbsoluteDifference(), values);
      } else {
        SnrOfRow(block, i, j, y, values);
      }
      __builtin_memcpy(block.out + i * block.out_stride + j, values, Least(kPairs, block.cols - j) * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace hypersphere
