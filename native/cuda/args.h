// What the kernels take: plain structs that host and device lay out alike.
#pragma once

#include "../api.h"

namespace hypersphere {

// Sides of what a block of threads computes of a product, and the threads.
constexpr unsigned kTileSide = 128, kTileThreads = 256;

// out [rows, cols] = left·rightᵀ over the depth. The depth is cut into runs of `depth_of_part`, each with an output of its own, `part_stride`
// apart. The grid has the tiles, row by row, and the parts.
struct ProductArgs {
  Rows left, right;
  float* out;
  size_t out_stride, part_stride;
  uint32_t rows, cols, depth, depth_of_part;
};

// The product's epilogue makes distances.
struct DistanceArgs {
  ProductArgs product;
  DistanceBlock block;
  bool zero_diagonal;  // a row is itself, whatever it holds: row i is column first_row + i
  uint32_t first_row;
  uint64_t* marks;     // of the outputs that are to be computed again: one number a thread of the grid
};

// The fast product says which entries may rank before a row's bound (kernels/rank.h); those alone are then computed. By how much it may be wrong:
// margin·(‖x‖² + ‖y‖²) where these are compared, margin·‖x‖‖y‖ for the dot, margin for the cosines.
struct CandidateArgs {
  DistanceArgs distances;  // the marks are the candidates', and then those of the entries to be computed again
  const uint64_t* bounds;  // of the rows
  uint32_t* counts;        // of the candidates, one a tile
  float margin;
};

// The product's epilogue makes logits: times the column's scale, plus its bias; either may be null.
struct LogitsArgs {
  ProductArgs product;
  const float* col_scales;
  const float* bias;
};

// The softmax of a run of whole blocks of classes: `all` has the rows of the batch, the columns of the run and, beside the columns, one row of
// bias_sums for each row, [rows, classes].
struct SoftmaxRun {
  SoftmaxBlock all;
  size_t chunk_classes;  // over which a state advances at a time
  size_t block_chunks;   // that share a state
};

// Rows that stay on the device, float32 or bfloat16, of which `count` take part: from `first` on or, where classes are chosen, those of each
// in turn, k side by side.
struct KeptRows {
  float* rows;  // one of the two, the other null
  uint16_t* half_rows;
  const int32_t* classes;  // or null
  size_t first, count, k, d;
};

// How bfloat16 rows take float32: to the nearest, or as RoundingNoise says.
struct HalfRounding {
  bool stochastic, high_half;
  uint32_t seed;
};

// A batch as the products take it: `scaled` is x by the rows' factors, `counted` that or x itself without the rows that count nowhere, which
// may hold a NaN that even a coefficient of 0 would spread. What is not wanted is null.
struct ScaledRows {
  const float* x;
  const double* factors;
  const int32_t* labels;
  float* scaled;
  float* counted;
  bool counts_x;
  size_t n, d;
};

// The sum of each touched class's differences to its center, by groups that have kColumnsOfSum columns of it: factor·s, or where the
// centers move, center − factor/(1 + rows)·s.
constexpr size_t kColumnsOfSum = 128;
struct CenterSums {
  const float* x;
  const size_t* rows;    // class by class, in their order
  const size_t* starts;  // class t has rows[starts[t] … starts[t + 1])
  const float* centers;  // of the touched classes
  float* out;            // like them
  size_t classes, d;
  double factor;
  bool moves;
};

// The k least ranks of every row (kernels/rank.h), after a block of distances [rows, cols] of which pointers are to the first row and column.
struct SelectArgs {
  const float* values;
  uint64_t* pools;  // [rows, capacity], capacity ≥ k + cols
  unsigned* counts;  // what the pools and bounds are is kept from block to block; the first has first_col 0
  uint64_t* bounds;
  uint64_t* ranks;  // [rows, k], in no order, written where the block `ends` the gallery
  const int32_t* labels;
  const int32_t* gallery_labels;
  const float* beyond;
  const float* within;
  size_t capacity, first_row, first_col, cols;
  uint32_t k;
  Filter filter;
  bool exclude_self, grows, ends;
};

}  // namespace hypersphere
