// What the gradient over pairs makes of one pair's coefficient and of one row, on CPU and device.
#pragma once

#include "../host_device.h"
#include "../api.h"

namespace hypersphere {

// A row with an infinity is at no finite distance: where the loss is finite its weights are 0, and so must be their products.
HYPERSPHERE_HOST_DEVICE inline float Finite(float value) { return value - value == 0 ? value : 0; }

// Of half the squared distance, or of the negated dot; a Euclidean distance of 0 has gradient 0.
HYPERSPHERE_HOST_DEVICE inline float PairWeight(Metric metric, double coefficient, float distance) {
  if (metric == Metric::kCosineSimilarity) return static_cast<float>(coefficient);
  if (metric != Metric::kEuclidean) return static_cast<float>(2 * coefficient);
  if (!(distance > 0)) return 0;
  const float weight = static_cast<float>(coefficient) / distance;
  return weight > kMostWeight ? kMostWeight : weight < -kMostWeight ? -kMostWeight : weight;
}

// The coefficient of an snr becomes that of the squared distance of centred rows, and the distance becomes this. Returns what the anchor's own
// row gets for its signal.
HYPERSPHERE_HOST_DEVICE inline double ThroughSignal(double signal, float& distance, float& coefficient) {
  constexpr double kMost = static_cast<double>(kMostWeight) / 2;
  const double snr = static_cast<double>(distance), g = static_cast<double>(coefficient), part = signal == 0 ? 0 : g / signal;
  distance = static_cast<float>(snr * signal);
  coefficient = static_cast<float>(part > kMost ? kMost : part < -kMost ? -kMost : part);
  return part != 0 ? -(2 * part * snr) : 0;
}

// In eight lanes.
HYPERSPHERE_HOST_DEVICE inline float SquareOfCentered(const float* row, size_t d) {
  float lanes[8] = {}, rest = 0;
  size_t k = 0;
  for (; k + 8 <= d; k += 8) {
    for (size_t t = 0; t < 8; t++) lanes[t] += row[k + t] * row[k + t];
  }
  for (; k < d; k++) rest += row[k] * row[k];
  for (size_t t = 0; t < 8; t++) rest += lanes[t];
  return rest;
}

// An element of the gradient: `own`, what the row itself weighs, less what the others pull.
HYPERSPHERE_HOST_DEVICE inline float PairGradientOf(double scale, double diagonal, float centered, float sum) {
  const double own = diagonal == 0 ? 0 : diagonal * static_cast<double>(centered);
  return static_cast<float>(scale * (own - static_cast<double>(sum))) + 0.0f;  // no −0 for nothing
}

}  // namespace hypersphere
