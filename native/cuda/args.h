// What the kernels take: plain structs that host and device lay out alike.
#pragma once

#include "../api.h"

namespace hypersphere {

// Sides of what a block of threads computes of a product.
constexpr unsigned kTileSide = 128;

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
  bool zero_diagonal;  // a row is itself, whatever it holds
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
