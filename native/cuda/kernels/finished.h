// A distance from its dot where the metric is known at run time: for kernels of which one for each metric would be five times the code. After
// kernels/distance_values.h, which is shared code.
#pragma once

#include "../args.h"

namespace hypersphere {
namespace {

HYPERSPHERE_DEVICE float FinishedAs(Metric metric, float dot, float x_norm, float y_norm, float tau, uint32_t& marked) {
  switch (metric) {
    case Metric::kSquaredEuclidean: return Finished<Metric::kSquaredEuclidean>(dot, x_norm, y_norm, tau, marked);
    case Metric::kEuclidean: return Finished<Metric::kEuclidean>(dot, x_norm, y_norm, tau, marked);
    case Metric::kCosineSimilarity: return Finished<Metric::kCosineSimilarity>(dot, x_norm, y_norm, tau, marked);
    case Metric::kCosineDistance: return Finished<Metric::kCosineDistance>(dot, x_norm, y_norm, tau, marked);
    default: return Finished<Metric::kDot>(dot, x_norm, y_norm, tau, marked);
  }
}

}  // namespace
}  // namespace hypersphere
