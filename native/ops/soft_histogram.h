// Histograms with triangular bins, as lib/reference/soft-histogram.ts has them: a value is shared between the two nodes around it. Shares are whole
// numbers of 2⁻²⁸, far finer than a float32 value places them, so that counts of several threads add up to the same bits in any order, and a
// node is empty only where nothing reaches it. Where a value lies is decided in float64, as in the reference: one on a node falls likewise.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../host_device.h"

namespace hypersphere {

// As the losses' options have them. Any other number of bins is brought into this range, so that no value has a place outside of the nodes.
constexpr double kMostBins = 65536;

// Nodes at low, …, high in equal steps. Beyond the ends a value counts as the end, and NaN as the low one.
class SoftBins {
 public:
  SoftBins(double low, double high, double bins)
      : low_(low), bins_(static_cast<size_t>(bins < kMostBins ? (bins > 1 ? bins : 1) : bins == bins ? kMostBins : 1)),
        width_((high - low) / static_cast<double>(bins_)) {}

  HYPERSPHERE_HOST_DEVICE size_t Nodes() const { return bins_ + 1; }
  HYPERSPHERE_HOST_DEVICE double Width() const { return width_; }
  HYPERSPHERE_HOST_DEVICE static double Count(uint64_t shares) { return static_cast<double>(shares) / kWhole; }

  // Of a run of values, to the nodes of one histogram. A node is one thread's.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE void Add(const float* values, size_t count, uint64_t* shares, const Terms& terms) const {
    terms.each(values, count, [this](float value) { return PlaceOf(value); }, [&](double place) {
      const size_t lower = LowerOf(place);
      const auto above = static_cast<uint64_t>(static_cast<int64_t>((place - static_cast<double>(lower)) * kWhole + 0.5));
      if (terms.owns(lower)) shares[lower] += static_cast<uint64_t>(kWhole) - above;
      if (terms.owns(lower + 1)) shares[lower + 1] += above;
    });
  }

  // slopes[bin] in the values' place: at a node, that of the bin above it.
  template <class Terms>
  HYPERSPHERE_HOST_DEVICE HYPERSPHERE_ONCE void Slopes(float* values, size_t count, const double* slopes, const Terms& terms) const {
    terms.change(values, count, [&](float value) { return static_cast<float>(slopes[LowerOf(PlaceOf(value))]); });
  }

 private:
  static constexpr double kWhole = 0x1p28;

  HYPERSPHERE_HOST_DEVICE double PlaceOf(float value) const {
    const double place = (static_cast<double>(value) - low_) / width_, most = static_cast<double>(bins_);
    const double kept = place > 0 ? place : 0;
    return kept < most ? kept : most;
  }
  HYPERSPHERE_HOST_DEVICE size_t LowerOf(double place) const {
    const auto lower = static_cast<size_t>(static_cast<int64_t>(place));
    return lower < bins_ ? lower : bins_ - 1;
  }

  const double low_;
  const size_t bins_;
  const double width_;
};

// Of one kind of pairs: shares of the nodes, and what a loss makes of them.
struct SoftHistogram {
  uint64_t* shares;
  double* slopes;
};

// Two for each worker, one after the other.
struct SoftHistograms {
  uint64_t* shares;
  double* slopes;
  size_t nodes;

  HYPERSPHERE_HOST_DEVICE SoftHistogram Own(size_t worker) const { return At(2 * worker); }
  HYPERSPHERE_HOST_DEVICE SoftHistogram Others(size_t worker) const { return At(2 * worker + 1); }

 private:
  HYPERSPHERE_HOST_DEVICE SoftHistogram At(size_t index) const { return {shares + index * nodes, slopes + index * nodes}; }
};

}  // namespace hypersphere
