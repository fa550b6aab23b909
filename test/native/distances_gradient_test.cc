// Gradients against a float64 oracle and the reference vectors at every level, and their bits.
#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "oracle.h"
#include "vectors.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;

struct Gradients {
  Floats x, y;
};

Gradients Compute(Metric metric, const Floats& x, const Floats& y, const Floats& g, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  Gradients out{Floats(n * d, -7), Floats(m * d, -7)};
  CHECK(DistancesGradient({x.data(), y.data(), g.data(), out.x.data(), out.y.data(), n, m, d, metric}, nullptr) == Status::kOk, "status");
  return out;
}

struct WideGradients {
  std::vector<double> x, y;
};

void AddPair(Metric metric, const float* x, const float* y, double g, size_t d, double* to_x, double* to_y) {
  const auto difference = [&](double factor) {
    for (size_t k = 0; k < d; k++) {
      const double value = factor * (double(x[k]) - double(y[k]));
      to_x[k] += value;
      to_y[k] -= value;
    }
  };
  switch (metric) {
    case Metric::kSquaredEuclidean: return difference(2 * g);
    case Metric::kEuclidean: {
      const double distance = OracleDistance(metric, x, y, d);
      if (distance > 0) difference(g / distance);
      return;
    }
    case Metric::kManhattan:
      for (size_t k = 0; k < d; k++) {
        const double sign = x[k] > y[k] ? 1 : x[k] < y[k] ? -1 : 0;
        to_x[k] += g * sign;
        to_y[k] -= g * sign;
      }
      return;
    case Metric::kDot:
      for (size_t k = 0; k < d; k++) {
        to_x[k] += g * double(y[k]);
        to_y[k] += g * double(x[k]);
      }
      return;
    case Metric::kSnr: {
      const Variances v = OracleVariances(x, y, d);
      if (v.signal == 0) return;
      for (size_t k = 0; k < d; k++) {
        const double noise = 2 * g * (double(x[k]) - double(y[k]) - v.mean_diff) / v.signal;
        to_x[k] += noise - 2 * g * v.noise * (double(x[k]) - v.mean_x) / (v.signal * v.signal);
        to_y[k] -= noise;
      }
      return;
    }
    default: {
      if (metric == Metric::kCosineDistance) g = -g;
      const double of_x = OracleLength(x, d), of_y = OracleLength(y, d), c = OracleCosine(x, y, d);
      const bool zero_x = OracleDot(x, x, d) == 0, zero_y = OracleDot(y, y, d) == 0;
      // Below 1e-12 the divisor is a constant: no radial part.
      const double radial_x = of_x > 1e-12 ? c : 0, radial_y = of_y > 1e-12 ? c : 0;
      for (size_t k = 0; k < d; k++) {
        const double unit_x = double(x[k]) / of_x, unit_y = double(y[k]) / of_y;
        to_x[k] += zero_x ? 0 : g * (unit_y - radial_x * unit_x) / of_x;
        to_y[k] += zero_y ? 0 : g * (unit_x - radial_y * unit_y) / of_y;
      }
    }
  }
}

bool IsCosine(Metric metric) { return metric == Metric::kCosineSimilarity || metric == Metric::kCosineDistance; }

WideGradients Oracle(Metric metric, const Floats& x, const Floats& y, const Floats& g, size_t d) {
  const size_t m = y.size() / d;
  WideGradients out{std::vector<double>(x.size()), std::vector<double>(y.size())};
  for (size_t i = 0; i < g.size(); i++) {
    if (g[i] != 0) AddPair(metric, &x[i / m * d], &y[i % m * d], double(g[i]), d, &out.x[i / m * d], &out.y[i % m * d]);
  }
  return out;
}

void Near(const Floats& got, const std::vector<double>& expected, const char* level, Metric metric, const char* side, size_t d) {
  double most = 0;
  for (const double value : expected) most = std::max(most, fabs(value));
  for (size_t i = 0; i < got.size(); i++) {
    CHECK(fabs(got[i] - expected[i]) <= 1e-6 + 2e-5 * most, "%s %s %s d %zu at %zu: %g, not %g", level, NameOf(metric), side, d, i, got[i], expected[i]);
  }
}

void Test(Metric metric, const Floats& x, const Floats& y, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  Floats g = Normals(n * m, 9);
  for (size_t i = 0; i < n * m; i += 3) g[i] = 0;
  const WideGradients expected = Oracle(metric, x, y, g, d);
  Gradients first;
  for (const Level level : Levels()) {
    SetLevel(level);
    SetThreads(1);
    const Gradients out = Compute(metric, x, y, g, d);
    Near(out.x, expected.x, LevelName(level), metric, "x", d);
    Near(out.y, expected.y, LevelName(level), metric, "y", d);
    for (const int threads : {2, 3, 8}) {
      SetThreads(threads);
      const Gradients again = Compute(metric, x, y, g, d);
      CHECK(SameBits(out.x, again.x) && SameBits(out.y, again.y), "%s %s with %d threads", LevelName(level), NameOf(metric), threads);
    }
    if (level == Level::kBaseline) continue;
    if (first.x.empty()) first = out;
    CHECK(SameBits(first.x, out.x) && SameBits(first.y, out.y), "%s %s d %zu", LevelName(level), NameOf(metric), d);
  }
}

// A pair that carries no gradient must not be touched: a NaN row stays without effect.
void Skipped(Metric metric) {
  const size_t d = 21;
  Floats x = Normals(4 * d, 1), y = Normals(5 * d, 2), g(20, 1.0f);
  for (size_t i = 0; i < 4; i++) g[i * 5 + 2] = 0;
  for (size_t k = 0; k < d; k++) y[2 * d + k] = NAN;
  for (const Level level : Levels()) {
    SetLevel(level);
    const Gradients out = Compute(metric, x, y, g, d);
    for (const float value : out.x) CHECK(isfinite(value), "%s %s", LevelName(level), NameOf(metric));
    for (size_t k = 0; k < d; k++) CHECK(out.y[2 * d + k] == 0 || IsCosine(metric), "%s", NameOf(metric));
  }
}

void ReferenceVectors() {
  for (const VectorCase& item : VectorCases("pairwise_distance.")) {
    if (!item.Has("dx")) continue;
    const bool self = !item.Has("y");
    const Array x = item.Get("x"), y = self ? x : item.Get("y"), g = item.Get("grad_out");
    const Metric metric = static_cast<Metric>(MetricNamed(item.Text("metric")));
    for (const Level level : Levels()) {
      SetLevel(level);
      Gradients out = Compute(metric, x.Floats(), y.Floats(), g.Floats(), x.shape[1]);
      for (size_t i = 0; self && i < out.x.size(); i++) out.x[i] += out.y[i];
      for (const char* side : {"dx", "dy"}) {
        if (!item.Has(side)) continue;
        const Array expected = item.Get(side);
        const double tolerance = item.Tolerance(side, expected);
        const Floats& got = side[1] == 'x' ? out.x : out.y;
        for (size_t i = 0; i < got.size(); i++) {
          const double want = expected.data[i];
          CHECK(want != want ? isfinite(got[i]) : fabs(got[i] - want) <= tolerance, "%s %s %s at %zu: %g, not %g", LevelName(level), item.Name().c_str(), side, i,
                got[i], want);
        }
      }
    }
  }
}

}  // namespace

int main() {
  for (const Metric metric : kMetrics) {
    for (const size_t d : {2, 5, 16, 63, 257}) {
      Test(metric, Normals(17 * d, 1), Normals(33 * d, 2), d);
      Test(metric, Normals(1 * d, 1), Normals(3 * d, 2), d);
    }
    Test(metric, Normals(150 * 128, 1), Normals(131 * 128, 2), 128);
    Floats x = Normals(20 * 24, 3), y = Normals(20 * 24, 4);
    std::copy(x.begin(), x.begin() + 5 * 24, y.begin());                  // copies
    std::fill(x.begin() + 6 * 24, x.begin() + 7 * 24, 0.0f);              // a zero row
    std::fill(y.begin() + 8 * 24, y.begin() + 9 * 24, 0.0f);
    Test(metric, x, y, 24);
    for (const float scale : {1e-13f, 1e-30f}) {  // rows below the shortest length divided by
      Floats tiny = Normals(9 * 24, 5);
      for (float& value : tiny) value *= scale;
      if (IsCosine(metric)) Test(metric, tiny, Normals(7 * 24, 6), 24), Test(metric, Normals(7 * 24, 6), tiny, 24);
    }
    Skipped(metric);
  }
  ReferenceVectors();
  return 0;
}
