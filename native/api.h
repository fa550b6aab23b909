// The compute core's only interface: what an operation is, and what one instruction-set level offers for it. Plain C
// types, no Node and no C++ library: the kernel objects include this file and must stay free of inline library code.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "given_rows_api.h"
#include "row_bands_api.h"
#include "row_terms_api.h"
#include "softmax_api.h"

namespace hypersphere {

enum class Status { kOk, kOutOfMemory, kAborted, kNoDevice, kDeviceOutOfMemory };

enum class Level { kBaseline, kAvx2, kAvx512, kNeon };

// In the order of `metrics` in lib/ops/distances.ts.
enum class Metric { kSquaredEuclidean, kEuclidean, kManhattan, kDot, kCosineSimilarity, kCosineDistance, kSnr };

// out [rows, cols] = op(a)·op(b); a is [rows, inner] or its transpose, b [inner, cols] or its transpose.
struct MatmulOp {
  const float* a;
  const float* b;
  float* out;
  bool transpose_a, transpose_b;
  size_t rows, inner, cols;
};

// out [n, m] between the rows of x [n, d] and y [m, d]; y == x with n == m marks self-distances.
struct DistancesOp {
  const float* x;
  const float* y;
  float* out;
  size_t n, m, d;
  Metric metric;
};

// grad_x [n, d] and grad_y [m, d] of Σ distances·grad_output, grad_output [n, m].
struct DistancesGradientOp {
  const float* x;
  const float* y;
  const float* grad_output;
  float* grad_x;
  float* grad_y;
  size_t n, m, d;
  Metric metric;
};

// out_i = x_i / max(‖x_i‖, eps), [n, d].
struct NormalizeOp {
  const float* x;
  float* out;
  size_t n, d;
  double eps;
};

// grad_x [n, d] of Σ out·grad_output.
struct NormalizeGradientOp {
  const float* x;
  const float* grad_output;
  float* grad_x;
  size_t n, d;
  double eps;
};

// In the order of `miningStrategies` in lib/ops/pairs.ts; the triplet loss has all but the last.
enum class Mining {
  kAll,
  kViolating,
  kSemiHard,
  kHard,
  kEasy,
  kBatchHard,
  kSemiHardClosest,
  kHardestViolating,
  kFaceNetSemiHard,
  kDistanceWeighted,
};
enum class TermReduction { kMean, kSum, kMeanPositive };

// Triplet loss over the triplets that a rule chooses for the rows of the batch among all of them and those of a memory, which get no
// gradient. Any int32 is a label.
struct BatchTripletOp {
  const float* x;
  const int32_t* labels;
  const float* memory;
  const int32_t* memory_labels;
  float* grad_x;   // or null
  double* result;  // loss, triplets, active triplets
  size_t n, m, d;  // n + m < 2³²
  Metric metric;   // euclidean, squaredEuclidean, cosineSimilarity or snr
  bool normalize, soft;
  bool swap;  // a negative counts from the nearer of anchor and positive
  double margin;
  uint32_t seed;
  Mining mining;
  TermReduction reduction;
};

// In the order of `forms` in lib/native/batch-losses.ts.
enum class BatchLossKind {
  kSupCon,
  kNtXent,
  kCircle,
  kMultiSimilarity,
  kContrastive,
  kNca,
  kLiftedStructure,
  kIntraPairVariance,
  kPnp,
  kAngular,
  kTupletMargin,
  kTcm,
  kRankedList,
  kFastAp,
  kMargin,
  kHistogram,
};
constexpr size_t kMostLossNumbers = 8;

// A loss over the pairs of a labelled batch [n, d] and, beside them, of its rows with those of a memory [m, d], which get no gradient. Any
// int32 is a label.
struct BatchLossOp {
  BatchLossKind kind;
  const float* x;
  const int32_t* labels;
  const float* memory;
  const int32_t* memory_labels;
  size_t n, m, d;
  Metric metric;  // euclidean, squaredEuclidean, cosineSimilarity or snr
  bool normalize;
  TermReduction reduction;
  double numbers[kMostLossNumbers];  // the loss's own options: its file says which
  double* loss;
  float* per_example;  // [n] or null
  float* grad_x;       // [n, d] or null
  // The margin loss's boundaries, one for all rows or one a label, which then lies in [0, betas); finite. Their gradient, or null.
  const float* beta;
  size_t betas;
  float* grad_beta;
};

// Rows [n, d] against proxies [classes, d], compared at unit length. Labels lie in [0, classes): the caller has checked its own copy of them.
struct ProxyAnchorOp {
  const float* x;
  const float* proxies;
  const int32_t* labels;
  double* loss;
  float* grad_x;        // or null
  float* grad_proxies;  // or null
  size_t n, d, classes;
  double margin, alpha;
};

// ranks: from 1 on, ascending, of rows[from_i … to_i) among the values [n, m] of query i; the least value first, NaN last, ties by row.
struct RanksOp {
  float* values;  // overwritten
  const int32_t* rows;
  const int32_t* from;
  const int32_t* to;
  int32_t* ranks;  // query by query
  size_t n, m;     // m < 2³¹
  int64_t own;     // the row that query 0 is, query 1 being the next: not ranked, and among its relevant ones; or −1
  bool descending;
};

enum class Filter { kNone, kSame, kDifferent };

struct PackedGallery;
struct CoarseSide;  // ops/gallery.h

// indices and distances [n, k]: the k best rows of the gallery [m, d] for every row of x [n, d], best first, ties to the lowest
// index, NaN last. Where a filter or a bound leaves fewer: −1 and NaN.
struct NearestOp {
  const float* x;
  const float* gallery;  // one of these three, the others null
  const uint16_t* half_gallery;  // bfloat16
  const PackedGallery* packed;
  const CoarseSide* quantized;   // of all rows of the gallery, where it was kept; or null
  const int32_t* labels;         // [n] and [m], with a filter
  const int32_t* gallery_labels;
  int32_t* indices;
  float* distances;
  size_t n, m, d, k;  // m < 2³¹
  Metric metric;
  Filter filter;      // compares the labels of the two rows
  bool exclude_self;  // row i of the gallery is row i of x
  const float* beyond;  // [n] or null: only what ranks strictly after this distance counts,
  const float* within;  // [n] or null: and strictly before this one
};

// Rows seen through two strides, so that a matrix and its transpose pack alike; one of the strides is 1.
struct Rows {
  const float* data;
  size_t row_stride, depth_stride;
};

// Packed rows times packed columns. `left` holds ⌈rows / tile_rows⌉ panels [depth][left_width], of which
// [first_panel, last_panel) are wanted; `right` ⌈cols / tile_cols⌉ panels [depth][tile_cols]. `out` starts at row 0.
struct PanelProduct {
  const float* left;
  const float* right;
  float* out;
  size_t out_stride;
  size_t rows, cols, depth;
  size_t first_panel, last_panel;
  bool accumulate;  // go on from the sums in `out`
  size_t out_row = 0;  // where `out` starts at another row than the first
};

// At most kBlockRows rows of results, gathered where they stay in cache, on their way to `out`.
constexpr size_t kBlockRows = 256;
struct BlockStore {
  const float* block;
  size_t block_stride;
  size_t rows, cols;
  float* out;
  size_t out_stride;
  bool streamed;  // past the caches
};

// What the epilogue of a product of rows needs to make distances of it; pointers are to the block's first row and column.
struct DistanceBlock {
  const float* x;
  const float* y;
  const float* x_norms;  // squared norms, or inverse norms for the cosine metrics
  const float* y_norms;  // readable up to the next multiple of tile_cols
  size_t d;
  Metric metric;
};

// Mean of a row and Σ(x − mean)², or 0 and Σx², in float64: what snr and the cosines' gradients need of every row.
struct Moments {
  double mean, spread;
};

// A block of distances computed pair by pair from differences (manhattan, snr).
struct DifferenceBlock {
  const float* x;
  const float* y;
  const Moments* x_moments;  // snr only
  const Moments* y_moments;
  float* out;
  size_t out_stride;
  size_t rows, cols, d;
  Metric metric;
};

// Greater than the rank of any candidate.
constexpr uint64_t kNoRank = ~uint64_t{0};

// The candidates of one row that came up so far: kListHead + capacity numbers. kernels/nearest.h says what a rank is.
constexpr size_t kListBound = 0;  // none of this rank or a greater one is wanted
constexpr size_t kListCount = 1;
constexpr size_t kListHead = 2;   // where the ranks begin, in no order

// Where the candidates of a block of rows against a block of columns go; pointers are to the block's first row and column.
struct Selection {
  uint64_t* lists;
  float* limits;  // the bounds as what a key must not be greater than; NaN lets all pass
  size_t k, capacity;
  void (*shrink)(uint64_t* list, size_t k);  // to the k least, of which the greatest is the new bound
  size_t first_row, first_col;  // their indices in x and in the gallery
  bool exclude_self;
  Filter filter;
  const int32_t* labels;
  const int32_t* gallery_labels;
  const float* panels;  // where the block has no rows of y (DistanceBlock::y is null): the packed columns, and
  float* row;           // room for one of them
  const float* beyond;  // of the rows, as in NearestOp, or null
};

// Rows in 8 bits, q·step + e, for the pass before a search (kernels/coarse.h; the bounds are ops/coarse.cc's).
struct CoarseRows {
  float* steps;
  float* norms;   // NaN where they are too short, too long or no numbers: the bound holds for none of those
  float* errors;  // ‖e‖ over the norm, and a little more
  int32_t* sums;  // 128·Σq
};
constexpr float kLeastCoarseSquare = 0x1p-60f, kMostCoarseSquare = 0x1p100f;
constexpr float kCoarseMargin = 1 + 0x1p-10f;

// A panel of quantised rows [⌈d / 4⌉][left_width][4] against a block of quantised columns, panels of [⌈d / 4⌉][tile_cols][4]. A column may be a
// neighbour unless dot·row_scale·col_scale + row_norm·col_error + col_term < row_term − limit·limit_scale, or it is surely nearer than the
// row's Selection::beyond: dot·row_scale·col_scale − row_norm·col_error + col_near > row_near − beyond·beyond_scale. Rows are the panel's,
// columns readable up to a whole tile.
struct CoarseBlock {
  const uint8_t* left;
  const uint8_t* right;
  const float *row_scales, *row_norms, *row_terms, *row_nears;
  const float *col_scales, *col_errors, *col_terms, *col_nears;
  const int32_t* col_sums;
  float limit_scale, beyond_scale;
  size_t steps, first_row, rows, cols;
  size_t most;  // columns of all rows that may pass before the product is the cheaper way
};

constexpr size_t kMostPending = 16;
// Columns of one row that passed and wait.
struct PendingColumns {
  size_t count;
  int32_t columns[kMostPending];
};

// What decides about them: the rows of the whole gallery, one of the two null, and room for kMostPending that are widened.
struct CoarseRest {
  const float* rows;
  const uint16_t* half_rows;
  float* wide;
  PendingColumns* pending;  // one for each row of the block
};

struct CoarseKernels {
  // `bytes` [count, 4·⌈d / 4⌉] and kMostPending more, as whole numbers or with 128 added ("shifted").
  void (*quantize)(const float* rows, size_t count, size_t d, bool shifted, uint8_t* bytes, const CoarseRows& about);
  // The columns done: all, unless too many passed.
  size_t (*columns)(const CoarseBlock& block, const CoarseRest& rest, const DistanceBlock& distances, const Selection& to);
  void (*settle)(const CoarseRest& rest, const DistanceBlock& distances, const Selection& to, size_t row);
};

constexpr size_t kGradientRows = 32;

// The gradient of at most kGradientRows rows of one side ("own") against all rows of the other.
struct GradientBlock {
  const float* own;
  const float* others;
  const Moments* own_moments;  // about the mean for snr, about 0 for the cosines; else unused
  const Moments* other_moments;
  const float* grad;  // of own row i and other row t: grad[i·grad_own_stride + t·grad_other_stride]
  size_t grad_own_stride, grad_other_stride;
  float* out;  // [own_rows, d]
  size_t own_rows, other_rows, d;
  bool own_is_x;
  Metric metric;
};

// x̂ = x / max(‖x‖, kShortest): as `shortest` in lib/ops/types.ts.
constexpr double kShortest = 1e-12;

struct KernelTable {
  size_t tile_rows, tile_cols;  // the register tile
  size_t left_width;            // floats per depth step of a left panel: tile_rows padded to whole vectors

  // Panels [first, last) of `rows` rows. The left side shares the rows evenly among its panels.
  void (*pack_left)(const Rows& source, size_t rows, size_t depth, size_t first, size_t last, float* panels);
  void (*pack_right)(const Rows& source, size_t rows, size_t depth, float* panels);
  // Adds the panels' squares to `sums`, one per row, in the order in which a dot sums.
  void (*norms_left)(const float* panels, size_t rows, size_t depth, size_t first, size_t last, float* sums);
  void (*norms_right)(const float* panels, size_t rows, size_t depth, float* sums);
  void (*invert_norms)(float* squared_norms, size_t count);

  // First row of a left panel, or `rows` for the one past the last.
  size_t (*panel_start)(size_t rows, size_t panel);
  void (*multiply)(const PanelProduct& product);
  void (*multiply_to_distances)(const PanelProduct& product, const DistanceBlock& block);

  void (*row_moments)(const float* x, size_t rows, size_t d, bool about_mean, Moments* moments);
  void (*differences)(const DifferenceBlock& block);
  void (*gradient_rows)(const GradientBlock& block);

  void (*normalize_rows)(const NormalizeOp& op);
  void (*normalize_gradient_rows)(const NormalizeGradientOp& op);
  void (*multiply_to_nearest)(const PanelProduct& product, const DistanceBlock& block, const Selection& to);
  // Dots [x_rows, count], `stride` apart, of few rows with `count` others, and the squares of these; then the selection from one row's dots,
  // readable up to a whole tile.
  void (*row_products)(const float* x, size_t x_rows, const float* rows, size_t count, size_t depth, float* dots, size_t stride, float* squares);
  void (*dots_to_nearest)(const float* dots, size_t cols, const DistanceBlock& block, const Selection& to);
  void (*values_to_nearest)(const float* values, size_t rows, size_t cols, const Selection& to);
  void (*bound_lists)(const float* within, size_t rows, Metric metric, uint64_t* lists, size_t stride, float* limits);
  void (*decode_ranks)(const uint64_t* ranks, size_t count, Metric metric, int32_t* indices, float* values);
  size_t (*count_before)(const float* values, size_t count, size_t at);
  // bfloat16
  void (*widen)(const uint16_t* halves, size_t count, float* out);
  void (*narrow)(const float* x, size_t count, uint16_t* out);
  // Heads: kernels/softmax.h and kernels/weights.h.
  void (*scale_logits)(float* logits, size_t rows, size_t cols, const float* col_scales, const float* bias);
  void (*softmax_forward)(const SoftmaxBlock& block);
  void (*softmax_backward)(const SoftmaxBlock& block);
  void (*softmax_rows)(const SoftmaxOp& op);
  void (*unit_scales)(const float* rows, size_t count, size_t d, float* scales);
  void (*through_unit_rows)(const UnitRows& rows);
  void (*update_weights)(const UpdateBlock& block);
  void (*narrow_stochastic)(const float* x, size_t count, const RoundingNoise& noise, uint16_t* out);
  // The block as it is; its transpose.
  void (*store_block)(const BlockStore& store);
  void (*store_transposed)(const BlockStore& store);
  const CoarseKernels* coarse;  // null at most levels; elsewhere the CPU may lack the instruction: HasCoarse() of cpu.h
  RowTerms row_terms;
  GivenRows given_rows;
  RowBands row_bands;
};

}  // namespace hypersphere
