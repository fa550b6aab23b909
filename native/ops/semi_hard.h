// FaceNet's semi-hard negatives of one pair (Schroff et al. 2015): those inside d_ap < d_an < d_ap + margin, of which one is drawn. They are
// counted and then found again by their rank, piece by piece, so nothing is stored.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../scalar/sfc32.h"
#include "float_order.h"

namespace hypersphere {

class SemiHardBand {
 public:
  // The rule compares the float64 difference with the margin; in float32 that is a bound.
  SemiHardBand(float near, double margin) : near_(near) {
    const double from = static_cast<double>(near);
    end_ = EndOf(static_cast<float>(from + margin), [=](float far) { return static_cast<double>(far) - from < margin; });
  }

  bool Holds(float far) const { return far > near_ && far < end_; }

  size_t Count(const float* values, size_t count) const {
    uint32_t lanes[kLanes] = {};
    size_t k = 0;
    for (; k + kLanes <= count; k += kLanes) {
      for (size_t t = 0; t < kLanes; t++) lanes[t] += static_cast<uint32_t>((values[k + t] > near_) & (values[k + t] < end_));
    }
    for (; k < count; k++) lanes[0] += Holds(values[k]);
    size_t all = 0;
    for (const uint32_t lane : lanes) all += lane;
    return all;
  }

 private:
  static constexpr size_t kLanes = 16;
  float near_, end_;
};

// One of an anchor's negatives inside the band, `none` without any; `runs(visit)` calls visit(first, last) for the runs of its negatives,
// ascending.
template <class Runs>
size_t DrawSemiHard(const float* apart, const SemiHardBand& band, Sfc32 stream, const Runs& runs, size_t none) {
  constexpr size_t kPiece = 256;
  size_t inside = 0;
  runs([&](size_t from, size_t to) { inside += band.Count(apart + from, to - from); });
  if (inside == 0) return none;
  size_t left = stream.Integer(static_cast<uint32_t>(inside)), found = none;
  runs([&](size_t from, size_t to) {
    for (size_t piece = from; found == none && piece < to; piece += kPiece) {
      const size_t end = piece + kPiece < to ? piece + kPiece : to, count = band.Count(apart + piece, end - piece);
      if (left >= count) {
        left -= count;
        continue;
      }
      for (size_t k = piece; found == none; k++) {
        if (band.Holds(apart[k]) && left-- == 0) found = k;
      }
    }
  });
  return found;
}

}  // namespace hypersphere
