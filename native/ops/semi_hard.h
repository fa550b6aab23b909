// FaceNet's semi-hard negatives of one pair (Schroff et al. 2015): those inside d_ap < d_an < d_ap + margin, of which one is drawn. They are
// counted and then found again by their rank, piece by piece, by the level's passes: a pair costs two of them over its anchor's row.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../host_device.h"
#include "../row_bands_api.h"
#include "../scalar/sfc32.h"
#include "float_order.h"

namespace hypersphere {

// The rule compares the float64 difference with the margin; in float32 that is a bound.
HYPERSPHERE_HOST_DEVICE inline RowBand SemiHardBand(float near, double margin) {
  const double from = static_cast<double>(near);
  return {near, LastOf(from + margin, [=](float far) { return static_cast<double>(far) - from < margin; })};
}

HYPERSPHERE_HOST_DEVICE inline bool Holds(const RowBand& band, float value) { return value > band.above && value <= band.to; }

constexpr size_t kDrawnPiece = 256;

// The place of one of the values in the band, or `count` without any. What may not be drawn is NaN. `found` has room for kDrawnPiece.
inline size_t DrawInBand(const RowBands& bands, const float* values, size_t count, RowBand band, Sfc32 stream, int32_t* found) {
  const size_t inside = bands.count(values, count, band);
  if (inside == 0) return count;
  size_t left = stream.Integer(static_cast<uint32_t>(inside));
  for (size_t piece = 0; piece < count; piece += kDrawnPiece) {
    const size_t in_piece = bands.find(values + piece, kDrawnPiece < count - piece ? kDrawnPiece : count - piece, band, found);
    if (left < in_piece) return piece + static_cast<size_t>(found[left]);
    left -= in_piece;
  }
  return count;  // not reached
}

}  // namespace hypersphere
