// The k best columns of every row. Fused with the engine: a finished tile, still in the first level of cache, becomes
// distances in registers and is compared there with the row's bound; only the few lanes that pass leave the vectors. They
// are appended to the row's list, which is cut down to its k least when it is full, and the greatest of those is the new
// bound: after the first columns hardly anything passes, and the selection costs a handful of instructions beside the d
// multiplications of each lane. euclidean compares squares and takes roots of what passes.
//
// What is kept are ranks (rank.h), all of them different, so the k least are the same set in whatever order, tile or part of the gallery
// they come up.
//
// Near duplicates are computed again from differences (see distances.h) before they are compared, unless even the largest
// error of the expansion, (2d + 3)·u·(‖a‖² + ‖b‖²), leaves them beyond the bound.
#pragma once

#include "distances.h"
#include "rank.h"

namespace hypersphere {
namespace {

constexpr float kRounding = 0x1p-24f;

void DecodeRanks(const uint64_t* ranks, size_t count, Metric metric, int32_t* indices, float* values) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t key = static_cast<uint32_t>(ranks[i] >> 32), low = static_cast<uint32_t>(ranks[i]);
    const float number = GrowsWithLikeness(metric) ? 0 - KeyOf(key) : KeyOf(key);
    indices[i] = ranks[i] == kNoRank ? -1 : static_cast<int32_t>(low >> 1);  // no rank: a filter left too few
    values[i] = key >= kNanKey ? __builtin_nanf("") : low & 1 ? -0.0f : number;
  }
}

// What a key must not be greater than to be let through: the next number below the bound's, for columns come in order and a
// tie is lost. The exact comparison is that of the ranks.
HYPERSPHERE_INLINE float LimitOf(uint64_t bound, bool squared) {
  const uint32_t key = static_cast<uint32_t>(bound >> 32);
  if (key >= kNanKey) return __builtin_nanf("");
  const float limit = KeyOf(key == kZeroKey ? key - 2 : key - 1);
  // Any square whose rounded root would pass, and then some.
  return squared && limit >= 0 ? limit * limit * (1 + 0x1p-20f) + 0x1p-100f : limit;
}

// The rank that those before `within` are below.
void BoundLists(const float* within, size_t rows, Metric metric, uint64_t* lists, size_t stride, float* limits) {
  for (size_t i = 0; i < rows; i++, lists += stride) {
    lists[kListBound] = RankOf(within[i], GrowsWithLikeness(metric), 0) & ~uint64_t{1};
    limits[i] = LimitOf(lists[kListBound], metric == Metric::kEuclidean);
  }
}

// Keys below this are surely not beyond; the exact comparison is that of the ranks. As LimitOf, of squares where roots are compared.
HYPERSPHERE_INLINE float LeastBeyond(float beyond, bool grows, bool squared) {
  if (grows) return -beyond;
  return squared && beyond >= 0 ? beyond * beyond * (1 - 0x1p-20f) - 0x1p-100f : beyond;
}

HYPERSPHERE_INLINE void PushOne(const Selection& to, size_t row, size_t index, float value, bool grows, bool squared) {
  uint64_t* list = to.lists + row * (kListHead + to.capacity);
  const uint64_t rank = RankOf(value, grows, index);
  if (rank >= list[kListBound] || (to.beyond != nullptr && !RanksBeyond(rank, to.beyond[row], grows))) return;
  list[kListHead + list[kListCount]++] = rank;
  if (list[kListCount] < to.capacity) return;
  to.shrink(list, to.k);
  to.limits[row] = LimitOf(list[kListBound], squared);
}

__attribute__((noinline)) void Push(const Selection& to, size_t row, size_t col, const float* values, uint32_t candidates, bool grows, bool squared) {
  for (; candidates != 0; candidates &= candidates - 1) {
    const size_t j = static_cast<size_t>(__builtin_ctz(candidates));
    PushOne(to, row, to.first_col + col + j, values[j], grows, squared);
  }
}

// The lanes of [col, col + cols) that may be neighbours of the row at all.
HYPERSPHERE_INLINE uint32_t Allowed(const Selection& to, size_t row, size_t col, size_t cols) {
  uint32_t allowed = cols < 32 ? (1u << cols) - 1 : ~0u;
  if (to.exclude_self) {
    const size_t self = to.first_row + row - (to.first_col + col);  // wraps where the own row is further left
    if (self < cols) allowed &= ~(1u << self);
  }
  if (to.filter != Filter::kNone) {
    uint32_t same = 0;
    for (size_t j = 0; j < cols; j++) same |= static_cast<uint32_t>(to.gallery_labels[col + j] == to.labels[row]) << j;
    allowed &= to.filter == Filter::kSame ? same : ~same;
  }
  return allowed;
}

template <Metric kMetric>
struct NearestTile {
  static constexpr bool kInPlace = false;
  static constexpr bool kGrows = GrowsWithLikeness(kMetric);
  static constexpr bool kRoot = kMetric == Metric::kEuclidean;
  static constexpr Metric kCompared = kRoot ? Metric::kSquaredEuclidean : kMetric;
  const DistanceBlock& block;
  const Selection& to;
  V tau;
  float slack, shrink;  // of the expansion, relative to the norms; of a refined value, relative to itself

  NearestTile(const DistanceBlock& of, const Selection& selection) : block(of), to(selection), tau(Set(Threshold(of.d))) {
    const float d = static_cast<float>(of.d);
    // Beyond this depth the bound is no longer that of its first order.
    slack = of.d < size_t{1} << 20 ? (2 * d + 16) * (1.25f * kRounding) : __builtin_inff();
    shrink = 1 + (4 * d + 32) * kRounding;
  }

  // The marked lanes whose true value may lie within the limit.
  HYPERSPHERE_INLINE uint32_t WithinReach(V value, V x_norm, V y_norm, float limit) const {
    if constexpr (kGrows) {
      return ~0u;
    } else {
      const V scale = kMetric == Metric::kCosineDistance ? Set(1) : x_norm + y_norm;
      return NotGreaterBits(value - Fma(scale, Set(slack), Set(0x1p-99f)), Set(limit * shrink));
    }
  }

  // The rows of a packed gallery are picked out of its panel, where they lie tile_cols apart.
  void RefineRow(size_t row, size_t first_col, uint32_t marked, float* values) const {
    if (block.y != nullptr) return Refine<kMetric>(block, row, first_col, marked, values);
    for (; marked != 0; marked &= marked - 1) {
      const size_t j = static_cast<size_t>(__builtin_ctz(marked));
      const float* column = to.panels + first_col * block.d + j;
      for (size_t k = 0; k < block.d; k++) to.row[k] = column[k * kTileCols];
      const DistanceBlock one{block.x, to.row, block.x_norms, block.y_norms + first_col + j, block.d, block.metric};
      Refine<kMetric>(one, row, 0, 1, values + j);
    }
  }

  HYPERSPHERE_INLINE void operator()(const float* tile, float*, size_t, size_t first_row, size_t first_col, size_t rows, size_t cols) const {
    V y_norms[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) y_norms[v] = Load(block.y_norms + first_col + v * kLanes);
    for (size_t i = 0; i < rows; i++, tile += kTileCols) {
      const size_t row = first_row + i;
      const float limit = to.limits[row];
      const V x_norm = Set(block.x_norms[row]);
      uint32_t marked = 0, candidates = 0;
      V found[kTileVectors];
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; v++) {
        uint32_t bits;
        found[v] = Finished<kCompared>(Load(tile + v * kLanes), x_norm, y_norms[v], tau, bits);
        marked |= bits << (v * kLanes);
        candidates |= NotGreaterBits(kGrows ? -found[v] : found[v], Set(limit)) << (v * kLanes);
      }
      if ((marked | candidates) == 0) continue;
      // Everything nearer than that is within the limit, and may be much: it must not leave the vectors.
      if (to.beyond != nullptr) {
        const V least = Set(LeastBeyond(to.beyond[row], kGrows, kRoot));
        uint32_t beyond = 0;
#pragma GCC unroll 4
        for (size_t v = 0; v < kTileVectors; v++) beyond |= NotGreaterBits(least, kGrows ? -found[v] : found[v]) << (v * kLanes);
        candidates &= beyond;
        if ((marked | candidates) == 0) continue;
      }
      Consider(row, first_col, cols, found, y_norms, marked, candidates & ~marked);
    }
  }

  __attribute__((noinline)) void Consider(size_t row, size_t first_col, size_t cols, const V (&found)[kTileVectors],
                                          const V (&y_norms)[kTileVectors], uint32_t marked, uint32_t candidates) const {
    if (marked != 0) {
      uint32_t within = 0;
      const V x_norm = Set(block.x_norms[row]);
      const float limit = to.limits[row];
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; v++) within |= WithinReach(found[v], x_norm, y_norms[v], limit) << (v * kLanes);
      marked &= within;
      candidates |= marked;
    }
    if (candidates == 0) return;
    candidates &= Allowed(to, row, first_col, cols);
    if (candidates == 0) return;
    float values[kTileCols];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; v++) Store(kRoot ? Sqrt(found[v]) : found[v], values + v * kLanes);
    marked &= candidates;
    if (marked != 0) RefineRow(row, first_col, marked, values);
    Push(to, row, first_col, values, candidates, kGrows, kRoot);
  }
};

// The product's `out` is not touched.
template <Metric kMetric>
__attribute__((noinline)) void ProductToNearest(const PanelProduct& product, const DistanceBlock& block, const Selection& to) {
  MultiplyPanels(product, NearestTile<kMetric>(block, to));
}

void MultiplyToNearest(const PanelProduct& product, const DistanceBlock& block, const Selection& to) {
  switch (block.metric) {
    case Metric::kSquaredEuclidean: return ProductToNearest<Metric::kSquaredEuclidean>(product, block, to);
    case Metric::kEuclidean: return ProductToNearest<Metric::kEuclidean>(product, block, to);
    case Metric::kCosineSimilarity: return ProductToNearest<Metric::kCosineSimilarity>(product, block, to);
    case Metric::kCosineDistance: return ProductToNearest<Metric::kCosineDistance>(product, block, to);
    default: return ProductToNearest<Metric::kDot>(product, block, to);
  }
}

// kRows rows of x, one after the other, against kLanes rows that lie as they are, row j from its depth k on at row_at(j, k): these are
// transposed in registers, step by step, and each lane is the dot of one, summed in the order of the tile; beside it runs the row's own
// square.
template <size_t kRows, class RowAt>
HYPERSPHERE_INLINE void LaneProducts(const float* x, const RowAt& row_at, size_t depth, V (&dots)[kRows], V& square) {
  V block[kLanes], sums[kRows] = {}, squares = Zero();
  size_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; i++) block[i] = Load(row_at(i, k));
    Transpose(block);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; i++) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; r++) sums[r] = Fma(Set(x[r * depth + k + i]), block[i], sums[r]);
      squares = Fma(block[i], block[i], squares);
    }
  }
  if (k < depth) {
    const size_t steps = depth - k;
    for (size_t i = 0; i < kLanes; i++) block[i] = LoadN(row_at(i, k), steps);
    Transpose(block);
    for (size_t i = 0; i < steps; i++) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; r++) sums[r] = Fma(Set(x[r * depth + k + i]), block[i], sums[r]);
      squares = Fma(block[i], block[i], squares);
    }
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; r++) dots[r] = sums[r];
  square = squares;
}

// As many rows of x as leave registers for a transposed block.
#if defined(HYPERSPHERE_LEVEL_AVX512) || defined(HYPERSPHERE_LEVEL_NEON)
constexpr size_t kDirectRows = 12;
#else
constexpr size_t kDirectRows = 6;
#endif

template <size_t kRows>
__attribute__((noinline)) void DirectProducts(const float* x, const float* rows, size_t present, size_t depth, float* dots, size_t stride, float* squares) {
  V found[kRows], square;
  if (present == kLanes) {
    const auto ahead = [&](size_t i, size_t k) {
      const float* at = rows + i * depth + k;
      __builtin_prefetch(at + kLanes * depth);
      return at;
    };
    LaneProducts(x, ahead, depth, found, square);
  } else {
    // The last row stands in for those beyond it.
    LaneProducts(x, [&](size_t i, size_t k) { return rows + Least(i, present - 1) * depth + k; }, depth, found, square);
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; r++) StoreN(found[r], dots + r * stride, present);
  StoreN(square, squares, present);
}

using DirectFunction = void (*)(const float* x, const float* rows, size_t present, size_t depth, float* dots, size_t stride, float* squares);
template <size_t... I>
struct DirectFunctions {
  static constexpr DirectFunction kOf[] = {DirectProducts<I + 1>...};
};
template <size_t... I>
constexpr DirectFunction DirectOf(size_t rows, LaneList<I...>) {
  return DirectFunctions<I...>::kOf[rows - 1];
}

// Nothing is packed, so a gallery that is searched once, for few rows, is read once, at the speed of memory.
void RowProducts(const float* x, size_t x_rows, const float* rows, size_t count, size_t depth, float* dots, size_t stride, float* squares) {
  for (size_t j = 0; j < count; j += kLanes) {
    for (size_t r = 0; r < x_rows; r += kDirectRows) {
      const DirectFunction direct = DirectOf(Least(kDirectRows, x_rows - r), MakeLanes<kDirectRows>::Type());
      direct(x + r * depth, rows + j * depth, Least(kLanes, count - j), depth, dots + r * stride + j, stride, squares + j);
    }
  }
}

template <Metric kMetric>
void RowToNearest(const float* dots, size_t cols, const DistanceBlock& block, const Selection& to) {
  const NearestTile<kMetric> tile(block, to);
  for (size_t j = 0; j < cols; j += kTileCols) tile(dots + j, nullptr, 0, 0, j, 1, Least(kTileCols, cols - j));
}

// The dots of the first row of the block, readable up to the next multiple of tile_cols.
void DotsToNearest(const float* dots, size_t cols, const DistanceBlock& block, const Selection& to) {
  switch (block.metric) {
    case Metric::kSquaredEuclidean: return RowToNearest<Metric::kSquaredEuclidean>(dots, cols, block, to);
    case Metric::kEuclidean: return RowToNearest<Metric::kEuclidean>(dots, cols, block, to);
    case Metric::kCosineSimilarity: return RowToNearest<Metric::kCosineSimilarity>(dots, cols, block, to);
    case Metric::kCosineDistance: return RowToNearest<Metric::kCosineDistance>(dots, cols, block, to);
    default: return RowToNearest<Metric::kDot>(dots, cols, block, to);
  }
}

// Distances that are finished already, of a metric that shrinks with likeness.
void ValuesToNearest(const float* values, size_t rows, size_t cols, const Selection& to) {
  for (size_t i = 0; i < rows; i++, values += cols) {
    for (size_t j = 0; j < cols; j += kLanes) {
      const size_t present = Least(kLanes, cols - j);
      uint32_t candidates = NotGreaterBits(LoadN(values + j, present), Set(to.limits[i]));
      if (candidates == 0) continue;
      candidates &= Allowed(to, i, j, present);
      if (candidates != 0) Push(to, i, j, values + j, candidates, false, false);
    }
  }
}

// bfloat16 is the upper half of a float32: widening is exact. What is widened next usually lies behind: it is on its way meanwhile.
void Widen(const uint16_t* halves, size_t count, float* out) {
  constexpr size_t kLineHalves = 32;
  size_t i = 0;
  for (; i + kLineHalves <= count; i += kLineHalves) {
    __builtin_prefetch(halves + count + i);
    for (size_t j = i; j < i + kLineHalves; j++) out[j] = FloatOf(static_cast<uint32_t>(halves[j]) << 16);
  }
  for (; i < count; i++) out[i] = FloatOf(static_cast<uint32_t>(halves[i]) << 16);
}

}  // namespace
}  // namespace hypersphere
