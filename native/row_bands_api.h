// What a level offers for the rules that choose among the values of one row (kernels/row_bands.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hypersphere {

// above < v ≤ to. NaN lies in no band.
struct RowBand {
  float above, to;
};

struct RowBands {
  size_t (*count)(const float* values, size_t count, RowBand band);
  // Writes the places of the values in the band, ascending, and returns their number.
  size_t (*find)(const float* values, size_t count, RowBand band, int32_t* found);
  // The first of them; `count` without any.
  size_t (*first)(const float* values, size_t count, RowBand band);
  // The least value above this one; +∞ without any.
  float (*least_above)(const float* values, size_t count, float above);
};

}  // namespace hypersphere
