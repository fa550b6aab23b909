// A gallery that is packed once and searched many times: the panels of a product, or the rows as they are for the metrics
// that compare pair by pair, with the norms or moments of its rows. It keeps the level it was packed for.
#pragma once

#include <stdlib.h>

#include <atomic>

#include "../api.h"

namespace hypersphere {

struct PackedGallery {
  const KernelTable* kernels;
  size_t m, d;
  Metric metric;
  float* panels = nullptr;  // ⌈m / tile_cols⌉ panels [d][tile_cols]; null for manhattan and snr
  float* norms = nullptr;   // one a row, readable up to a whole panel
  float* rows = nullptr;    // [m, d]; null where there are panels
  Moments* moments = nullptr;
  int32_t* labels = nullptr;  // [m], or null
  size_t bytes = 0;
  void* memory = nullptr;

  PackedGallery(size_t m, size_t d, Metric metric);
  PackedGallery(const PackedGallery&) = delete;
  PackedGallery& operator=(const PackedGallery&) = delete;
  ~PackedGallery() { free(memory); }

  // From float32 rows or bfloat16 ones, the other null. `given_labels` may be null.
  Status Pack(const float* data, const uint16_t* halves, const int32_t* given_labels) noexcept;
};

}  // namespace hypersphere
