// A gallery that is packed once and searched many times: the panels of a product, or the rows as they are for the metrics
// that compare pair by pair, with the norms or moments of its rows. bfloat16 rows stay bfloat16, in panels too: a search widens a
// block of them for the second level of cache, and reads half from memory. It keeps the level it was packed for.
#pragma once

#include <stdlib.h>

#include <atomic>

#include "../api.h"
#include "coarse.h"

namespace hypersphere {

struct PackedGallery {
  const KernelTable* kernels;
  size_t m, d;
  Metric metric;
  // Of these four the one that the metric and the rows' type ask for: ⌈m / tile_cols⌉ panels [d][tile_cols], or, for manhattan and
  // snr, rows [m, d].
  float* panels = nullptr;
  uint16_t* half_panels = nullptr;
  float* rows = nullptr;
  uint16_t* half_rows = nullptr;
  float* norms = nullptr;  // one a row, readable up to a whole panel
  CoarseSide coarse{};     // beside rows, where the coarse pass serves: then there are no float32 panels and no norms
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
