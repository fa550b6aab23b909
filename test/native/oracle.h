// lib/reference/distances.ts in C++: float64, pair by pair.
#pragma once

#include <math.h>

#include <string>
#include <vector>

#include "../../native/api.h"

namespace hypersphere::test {

constexpr Metric kMetrics[] = {Metric::kSquaredEuclidean, Metric::kEuclidean,      Metric::kManhattan, Metric::kDot,
                               Metric::kCosineSimilarity, Metric::kCosineDistance, Metric::kSnr};
inline const char* NameOf(Metric metric) {
  static const char* const names[] = {"squaredEuclidean", "euclidean", "manhattan", "dot", "cosineSimilarity", "cosineDistance", "snr"};
  return names[static_cast<int>(metric)];
}

inline double OracleDot(const float* x, const float* y, size_t d) {
  double sum = 0;
  for (size_t k = 0; k < d; k++) sum += double(x[k]) * double(y[k]);
  return sum;
}
inline double OracleLength(const float* x, size_t d) {
  const double norm = sqrt(OracleDot(x, x, d));
  return norm < 1e-12 ? 1e-12 : norm;
}
inline double OracleCosine(const float* x, const float* y, size_t d) {
  return OracleDot(x, y, d) / (OracleLength(x, d) * OracleLength(y, d));
}

struct Variances {
  double mean_x = 0, mean_diff = 0, signal = 0, noise = 0;
};
inline Variances OracleVariances(const float* x, const float* y, size_t d) {
  Variances v;
  for (size_t k = 0; k < d; k++) {
    v.mean_x += double(x[k]);
    v.mean_diff += double(x[k]) - double(y[k]);
  }
  v.mean_x /= double(d);
  v.mean_diff /= double(d);
  for (size_t k = 0; k < d; k++) {
    v.signal += (double(x[k]) - v.mean_x) * (double(x[k]) - v.mean_x);
    const double noise = double(x[k]) - double(y[k]) - v.mean_diff;
    v.noise += noise * noise;
  }
  return v;
}

inline double OracleDistance(Metric metric, const float* x, const float* y, size_t d) {
  double sum = 0;
  switch (metric) {
    case Metric::kDot: return OracleDot(x, y, d);
    case Metric::kCosineSimilarity: return OracleCosine(x, y, d);
    case Metric::kCosineDistance: {
      const double value = 1 - OracleCosine(x, y, d);
      return value < 0 ? 0 : value;
    }
    case Metric::kManhattan:
      for (size_t k = 0; k < d; k++) sum += fabs(double(x[k]) - double(y[k]));
      return sum;
    case Metric::kSnr: {
      const Variances v = OracleVariances(x, y, d);
      return v.signal == 0 ? 0 : v.noise / v.signal;
    }
    default:
      for (size_t k = 0; k < d; k++) sum += (double(x[k]) - double(y[k])) * (double(x[k]) - double(y[k]));
      return metric == Metric::kEuclidean ? sqrt(sum) : sum;
  }
}

}  // namespace hypersphere::test
