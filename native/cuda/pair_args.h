// What the kernels of the losses over pairs of a batch take (ops/pair_batch.h).
#pragma once

#include "../api.h"

namespace hypersphere {

// A block of anchors, rows of the batch from `first` on or the columns listed, against all columns: the n rows of the batch and those of a memory.
struct PairBlock {
  size_t first, count, columns, n, d;
  Metric metric;
  const float* rows;  // [columns, d], as they are compared
  float* distances;   // [count, columns]; of cosines the dots
  float* weights;     // [count, columns]: a loss's coefficients become what the rows' differences weigh
  const int32_t* listed = nullptr;  // [count]
};

// The gradient that the blocks add up to (ops/batch_rows.h says how).
struct GradientSums {
  const float* centered;   // [columns, d], what the products take
  const float* norms;      // [columns] of these, or null where nothing is centred
  const Moments* moments;  // [columns], snr only
  float* sums;             // [n, d]
  double *row_sums, *col_sums;  // [n]
  uint64_t* marks;         // [anchors, words] pairs that go from differences
  uint32_t* marked;        // [anchors] any
  size_t words;
};

// As ops/batch_rows.h has them, in the caller's order: class t has rows[starts[t] … starts[t + 1]) among the columns, ascending.
struct ColumnClasses {
  const size_t *rows, *starts, *class_of;
};

struct TripletTotals {
  double loss, triplets, active;
  bool nan;  // among the distances
};

struct TripletBlock {
  ColumnClasses classes;
  Mining mining;
  double margin;
  uint32_t seed;
  bool soft, wanted;
  TripletTotals* totals;  // [n]
  // An anchor's own, `most` a power of two and no less than the rows of its class.
  size_t most;
  uint64_t *order, *waiting;  // [count, most]
  float* bounds;              // [count, 3, most]
  double *sums, *coefficients;  // [count, most + 1], [count, columns]
  unsigned* shares;           // [count, most + 1]
};

// Where columns are in order of their classes: those of a column's class in the batch and in the memory.
struct ClassRuns {
  size_t own_first, own_last, stored_first, stored_last;
};

struct SwappedTriplets {
  const ClassRuns* runs;                // [columns], where the batch has the class
  const uint32_t *given, *column_of;    // [columns] the caller's number of a column, and back
  Mining mining;
  double margin;
  uint32_t seed;
  bool soft, wanted;
  TripletTotals* totals;  // [n]
};

// What a rule for pairs of rows takes beside the blocks.
struct PairedRows {
  const ClassRuns* runs;  // [columns], where the batch has the class
  double* sums;           // [n]
  uint8_t* nan;           // [n] among the values
  float* scratch;         // [anchors, columns]
  bool wanted;            // the gradient
};

}  // namespace hypersphere
