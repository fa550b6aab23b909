// What the kernels of the losses over rows of a batch take (ops/row_sweep.h) beside a block of pairs.
#pragma once

#include <stdint.h>

#include "../ops/sides.h"

namespace hypersphere {

// Rows are columns of the batch, by class.
struct SweptRows {
  const size_t* given;        // [n] the caller's number
  const Span *own, *stored;   // [n] the runs of the row's class
  const double* before;       // [n, sums] of the sweep before, or null
  double* sums;               // [n, sums]
  uint8_t* nan;               // [n] among the distances
  float* scratch;             // [count, scratch_rows, columns]
  size_t scratch_rows;
  bool wanted;                // leaves coefficients in the block's weights
};

// The runs of a column's class, as BatchRuns of ops/row_sweep.h has them.
struct ColumnRuns {
  const Span *own, *stored;  // [n]
  HYPERSPHERE_HOST_DEVICE Span Own(size_t at) const { return own[at]; }
  HYPERSPHERE_HOST_DEVICE Span Stored(size_t at) const { return stored[at]; }
};

}  // namespace hypersphere
