// A row beside one of its positives, as the sweeps over pairs show it to a loss (pair_sweep.h), on CPU and device alike.
#pragma once

#include "sides.h"

namespace hypersphere {

// Columns from n on are rows of the memory: they have the partners that are not, bring no term of their own, and get coefficients for what the rows of
// the batch want of them.
struct PairedRow {
  size_t at, partner;           // columns
  const float* values;          // [columns] of the row, 0 to itself where it is one of the batch
  const float* partner_values;  // [columns]
  float* derivatives;           // [columns] ∂loss/∂values, which the row's pairs add to; null where no gradient is wanted
  Span own;                     // the class, in the batch
  Side negatives;
  double* sums;    // [sums] of the row, which its pairs add to; null for a row of the memory
  float* scratch;  // [columns], of the worker
};

}  // namespace hypersphere
