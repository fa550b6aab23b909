// A gallery that is packed once and searched many times, in the form in which a search reads it: the panels of a product; the rows and
// their 8-bit copies, where the coarse pass rules most pairs out before any product; or the rows for the metrics that compare pair by
// pair. With them go the norms or moments. bfloat16 rows stay bfloat16, in panels too: a search widens a block of them for the
// second level of cache, and reads half from memory. It keeps the level it was packed for.
#pragma once

#include "../api.h"
#include "coarse.h"
#include "workspace.h"

namespace hypersphere {

struct PackedGallery {
  const KernelTable* kernels;
  size_t m, d;
  Metric metric;
  // One of these four: ⌈m / tile_cols⌉ panels [d][tile_cols], or, for manhattan, snr and the coarse pass, rows [m, d].
  float* panels = nullptr;
  uint16_t* half_panels = nullptr;
  float* rows = nullptr;
  uint16_t* half_rows = nullptr;
  float* norms = nullptr;  // one a row, readable up to a whole panel
  Moments* moments = nullptr;
  CoarseSide quantized{};  // panels null where no coarse pass will be
  int32_t* labels = nullptr;  // [m], or null
  PackedGallery(size_t m, size_t d, Metric metric);

  // From float32 rows or bfloat16 ones, the other null. `given_labels` may be null.
  Status Pack(const float* data, const uint16_t* halves, const int32_t* given_labels) noexcept;

  // The same search of the rows that lie beside their 8-bit copies.
  NearestOp InRows(NearestOp op) const;

  size_t bytes() const { return memory_.bytes(); }

 private:
  Storage memory_;
};

}  // namespace hypersphere
