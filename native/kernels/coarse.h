// A coarse pass before the search: dots of rows in 8 bits, four products a lane and instruction, which decide for most pairs that
// they are no neighbours. What may be one gets the arithmetic of nearest.h, so the pass leaves no trace in the result. Fused: the
// integer tile, still in the first level of cache, becomes the left side of the bound (ops/coarse.cc derives it) and is compared with
// the row's threshold; only masks leave (in the registers of the tile itself this made GCC keep the sums in memory). The columns that pass wait in a list of their row until a vector of them is full and are then
// transposed, multiplied and selected together, straight from the gallery's rows.
//
// A row is q·step + e with q in [−127, 127]: integer dots are exact, and all that is unknown is the part of e. One side has 128 added,
// for the instruction multiplies bytes without sign by bytes with one; 128·Σq of the other side is taken off at the end.
#pragma once

#include "nearest.h"

#if defined(HYPERSPHERE_LEVEL_AVX512)

namespace hypersphere {
namespace {

#define HYPERSPHERE_VNNI __attribute__((target("avx512vnni")))

template <size_t kBy = kLanes / 2>
HYPERSPHERE_INLINE float LargestLane(V v) {
  const V other = Rotate<kBy>(v, Lanes());
  v = v > other ? v : other;
  if constexpr (kBy > 1) return LargestLane<kBy / 2>(v);
  return v[0];
}

void QuantizeRows(const float* rows, size_t count, size_t d, bool shifted, uint8_t* bytes, const CoarseRows& about) {
  const size_t stride = (d + 3) / 4 * 4;
  for (size_t i = 0; i < count; i++, rows += d, bytes += stride) {
    V largest = Zero(), squares = Zero();
    for (size_t k = 0; k < d; k += kLanes) {
      const V v = d - k >= kLanes ? Load(rows + k) : LoadN(rows + k, d - k), a = Abs(v);
      largest = a > largest ? a : largest;
      squares = Fma(v, v, squares);
    }
    const float square = FoldLanes(squares), step = LargestLane(largest) * (1 / 127.0f);
    const V inverse = Set(step > 0 ? 1 / step : 0), minus_step = Set(-step);
    V errors = Zero(), sums = Zero();  // of whole numbers below 2²⁴: exact
    const __m128i shift = _mm_set1_epi8(shifted ? static_cast<char>(0x80) : 0);
    for (size_t k = 0; k < d; k += kLanes) {
      const V v = d - k >= kLanes ? Load(rows + k) : LoadN(rows + k, d - k);
      const __m512i q = _mm512_maskz_cvtps_epi32(0xffff, v * inverse);
      const V whole = _mm512_maskz_cvtepi32_ps(0xffff, q), error = Fma(minus_step, whole, v);
      errors = Fma(error, error, errors);
      sums += whole;
      // A row's last bytes may run into the next one's, which comes later; behind the last row there is room.
      _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + k), _mm_xor_si128(_mm512_maskz_cvtepi32_epi8(0xffff, q), shift));
    }
    const bool usable = square >= kLeastCoarseSquare && square <= kMostCoarseSquare;
    about.steps[i] = step;
    about.norms[i] = usable ? __builtin_sqrtf(square) : __builtin_nanf("");
    about.errors[i] = usable ? __builtin_sqrtf(FoldLanes(errors) / square) * kCoarseMargin : 0;
    about.sums[i] = usable ? 128 * static_cast<int32_t>(FoldLanes(sums)) : 0;
  }
}

// The integer tile, [kRows][tile_cols].
template <size_t kRows>
HYPERSPHERE_VNNI __attribute__((noinline)) void CoarseTile(const uint8_t* left, const uint8_t* right, size_t steps, int32_t* out) {
  __m512i sums[kRows][kTileVectors] = {};
  for (size_t k = 0; k < steps; k++) {
    __m512i b[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) b[v] = _mm512_loadu_si512(right + v * 64);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
      int32_t four;
      __builtin_memcpy(&four, left + 4 * i, 4);
      const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; v++) sums[i][v] = _mm512_dpbusd_epi32(sums[i][v], a, b[v]);
    }
    left += 4 * kLeftWidth;
    right += 4 * kTileCols;
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) _mm512_storeu_si512(out + i * kTileCols + v * kLanes, sums[i][v]);
  }
}

// masks[i]: the columns of row i that may be neighbours; returns their union. `nears` is looked at where the search is beyond some distance.
template <bool kBeyond>
HYPERSPHERE_INLINE uint32_t CoarseMasks(const CoarseBlock& block, const int32_t* tile, size_t col, const float* thresholds, const float* nears,
                                        uint32_t* masks) {
  uint32_t any = 0;
  __m512i shift[kTileVectors];
  V scale[kTileVectors], error[kTileVectors], term[kTileVectors], near[kTileVectors];
#pragma GCC unroll 4
  for (size_t v = 0; v < kTileVectors; v++) {
    const size_t at = col + v * kLanes;
    shift[v] = _mm512_loadu_si512(block.col_sums + at);
    scale[v] = Load(block.col_scales + at);
    error[v] = Load(block.col_errors + at);
    term[v] = Load(block.col_terms + at);
    if (kBeyond) near[v] = Load(block.col_nears + at);
  }
  for (size_t i = 0; i < block.rows; i++) {
    const V threshold = Set(thresholds[i]), row_scale = Set(block.row_scales[i]), row_norm = Set(block.row_norms[i]);
    uint32_t mask = 0;
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) {
      const __m512i dot = _mm512_sub_epi32(_mm512_loadu_si512(tile + i * kTileCols + v * kLanes), shift[v]);
      const V scaled = _mm512_maskz_cvtepi32_ps(0xffff, dot) * scale[v];
      uint32_t bits = NotGreaterBits(threshold, Fma(scaled, row_scale, Fma(row_norm, error[v], term[v])));
      // Only for what is near enough: that is little, and the other bound costs as much as the first.
      if (kBeyond && bits != 0) bits &= NotGreaterBits(Fma(scaled, row_scale, Fma(-row_norm, error[v], near[v])), Set(nears[i]));
      mask |= bits << (v * kLanes);
    }
    masks[i] = mask;
    any |= mask;
  }
  return any;
}

using CoarseTileFunction = void (*)(const uint8_t* left, const uint8_t* right, size_t steps, int32_t* out);
template <size_t... I>
struct CoarseTiles {
  static constexpr CoarseTileFunction kOf[] = {CoarseTile<I + 1>...};
};
template <size_t... I>
constexpr CoarseTileFunction CoarseTileOf(size_t rows, LaneList<I...>) {
  return CoarseTiles<I...>::kOf[rows - 1];
}

// The columns that wait for this row, by today's arithmetic: exactly what the tile would have made of them.
template <Metric kMetric>
HYPERSPHERE_INLINE void SettleRow(const CoarseRest& rest, const DistanceBlock& block, const Selection& to, size_t row, PendingColumns& pending) {
  using Tile = NearestTile<kMetric>;
  const size_t d = block.d, count = pending.count;
  pending.count = 0;
  if (count == 0) return;
  const float* y[kLanes];
  for (size_t j = 0; j < kLanes; j++) {
    if (j >= count) {
      y[j] = y[0];
    } else if (rest.rows != nullptr) {
      y[j] = rest.rows + static_cast<size_t>(pending.columns[j]) * d;
    } else {
      Widen(rest.half_rows + static_cast<size_t>(pending.columns[j]) * d, d, rest.wide + j * d);
      y[j] = rest.wide + j * d;
    }
  }
  const float* x = block.x + row * d;
  V dot[1], square;
  LaneProducts(x, [&](size_t j, size_t k) { return y[j] + k; }, d, dot, square);
  float y_norms[kLanes];
  Store(square, y_norms);
  if (kMetric == Metric::kCosineDistance || kMetric == Metric::kCosineSimilarity) InvertNorms(y_norms, kLanes);
  const Tile tile(block, to);
  const uint32_t present = count < kLanes ? (1u << count) - 1 : 0xffffu;
  const float limit = to.limits[row];
  const V x_norm = Set(block.x_norms[row]), y_norm = Load(y_norms);
  uint32_t marked;
  const V found = Finished<Tile::kCompared>(dot[0], x_norm, y_norm, tile.tau, marked);
  uint32_t candidates = NotGreaterBits(Tile::kGrows ? -found : found, Set(limit)) & ~marked & present;
  marked &= present;
  if (marked != 0) marked &= tile.WithinReach(found, x_norm, y_norm, limit);
  candidates |= marked;
  if (candidates == 0) return;
  float values[kLanes];
  Store(Tile::kRoot ? Sqrt(found) : found, values);
  for (; marked != 0; marked &= marked - 1) {
    const size_t j = static_cast<size_t>(__builtin_ctz(marked));
    Refine<kMetric>({x, y[j], block.x_norms + row, y_norms + j, d, block.metric}, 0, 0, 1, values + j);
  }
  for (; candidates != 0; candidates &= candidates - 1) {
    const size_t j = static_cast<size_t>(__builtin_ctz(candidates));
    PushOne(to, row, static_cast<size_t>(pending.columns[j]), values[j], Tile::kGrows, Tile::kRoot);
  }
}

__attribute__((noinline)) void Settle(const CoarseRest& rest, const DistanceBlock& block, const Selection& to, size_t row) {
  PendingColumns& pending = rest.pending[row];
  switch (block.metric) {
    case Metric::kSquaredEuclidean: return SettleRow<Metric::kSquaredEuclidean>(rest, block, to, row, pending);
    case Metric::kEuclidean: return SettleRow<Metric::kEuclidean>(rest, block, to, row, pending);
    case Metric::kCosineSimilarity: return SettleRow<Metric::kCosineSimilarity>(rest, block, to, row, pending);
    case Metric::kCosineDistance: return SettleRow<Metric::kCosineDistance>(rest, block, to, row, pending);
    default: return SettleRow<Metric::kDot>(rest, block, to, row, pending);
  }
}

// One panel of rows against a block of columns. Stops before the tile after which more than `most` columns have passed, for then the
// product is cheaper; returns how many columns are done.
size_t CoarseColumns(const CoarseBlock& block, const CoarseRest& rest, const DistanceBlock& distances, const Selection& to) {
  alignas(64) int32_t scratch[kTileRows * kTileCols];
  float thresholds[kTileRows];
  const auto set_threshold = [&](size_t i) { thresholds[i] = block.row_terms[i] - to.limits[block.first_row + i] * block.limit_scale; };
  for (size_t i = 0; i < block.rows; i++) set_threshold(i);
  float nears[kTileRows];
  const bool grows = GrowsWithLikeness(distances.metric), squared = distances.metric == Metric::kEuclidean;
  for (size_t i = 0; to.beyond != nullptr && i < block.rows; i++) {
    nears[i] = block.row_nears[i] - LeastBeyond(to.beyond[block.first_row + i], grows, squared) * block.beyond_scale;
  }
  const CoarseTileFunction tile = CoarseTileOf(block.rows, MakeLanes<kTileRows>::Type());
  size_t passed = 0;
  for (size_t col = 0; col < block.cols; col += kTileCols) {
    if (passed > block.most) return col;
    uint32_t masks[kTileRows];
    tile(block.left, block.right + col * 4 * block.steps, block.steps, scratch);
    const uint32_t any = to.beyond != nullptr ? CoarseMasks<true>(block, scratch, col, thresholds, nears, masks)
                                              : CoarseMasks<false>(block, scratch, col, thresholds, nullptr, masks);
    if (any == 0) continue;
    const size_t cols = Least(kTileCols, block.cols - col);
    for (size_t i = 0; i < block.rows; i++) {
      if (masks[i] == 0) continue;
      const size_t row = block.first_row + i;
      PendingColumns& pending = rest.pending[row];
      for (uint32_t left = masks[i] & Allowed(to, row, col, cols); left != 0; left &= left - 1) {
        pending.columns[pending.count++] = static_cast<int32_t>(to.first_col + col + static_cast<size_t>(__builtin_ctz(left)));
        passed++;
        if (pending.count < kLanes) continue;
        Settle(rest, distances, to, row);
        set_threshold(i);
      }
    }
  }
  return block.cols;
}

}  // namespace
}  // namespace hypersphere

#endif
