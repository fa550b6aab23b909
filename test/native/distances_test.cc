// Distances against a float64 oracle and the reference vectors at every level; the promises on bits, duplicates, symmetry
// and rows of any size.
#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "oracle.h"
#include "vectors.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;

Floats Compute(Metric metric, const Floats& x, const Floats& y, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  Floats out(n * m, -7);
  CHECK(Distances({x.data(), y.data(), out.data(), n, m, d, metric}, nullptr) == Status::kOk, "status");
  return out;
}

// Calls test(level's name) at every level and checks that the FMA levels returned the same bits.
template <class Function>
void AtEveryLevel(Function test) {
  Floats first;
  for (const Level level : Levels()) {
    SetLevel(level);
    const Floats out = test(LevelName(level));
    if (level == Level::kBaseline) continue;
    if (first.empty()) first = out;
    CHECK(SameBits(first, out), "%s", LevelName(level));
  }
}

void AgainstOracle(Metric metric, const Floats& x, const Floats& y, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  Floats expected(n * m);
  double most = 0;
  for (size_t i = 0; i < n * m; i++) {
    const double value = OracleDistance(metric, &x[i / m * d], &y[i % m * d], d);
    expected[i] = static_cast<float>(value);
    most = std::max(most, fabs(value));
  }
  AtEveryLevel([&](const char* level) {
    SetThreads(1);
    const Floats out = Compute(metric, x, y, d);
    for (size_t i = 0; i < n * m; i++) {
      CHECK(fabs(out[i] - expected[i]) <= 1e-6 + 2e-5 * most, "%s %s %zux%zux%zu at %zu: %g, not %g", level, NameOf(metric), n, m, d, i, out[i], expected[i]);
    }
    for (const int threads : {2, 3, 8}) {
      SetThreads(threads);
      CHECK(SameBits(out, Compute(metric, x, y, d)), "%s %s with %d threads", level, NameOf(metric), threads);
    }
    return out;
  });
}

// A value depends on its two rows alone.
void Alone(Metric metric, const Floats& x, const Floats& y, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  AtEveryLevel([&](const char* level) {
    const Floats out = Compute(metric, x, y, d);
    for (size_t i = 0; i < n * m; i += 7) {
      const Floats one(x.begin() + i / m * d, x.begin() + (i / m + 1) * d), other(y.begin() + i % m * d, y.begin() + (i % m + 1) * d);
      CHECK(SameBits(Compute(metric, one, other, d), {out[i]}), "%s %s at %zu", level, NameOf(metric), i);
    }
    return out;
  });
}

void Self(Metric metric, const Floats& x, size_t d) {
  const size_t n = x.size() / d;
  AtEveryLevel([&](const char* level) {
    const Floats copy = x;
    Floats out = Compute(metric, x, copy, d);
    // The diagonal of the two metrics that divide is 0 by decree.
    for (size_t i = 0; i < n && (metric == Metric::kCosineDistance || metric == Metric::kSnr); i++) out[i * n + i] = 0;
    for (const int threads : {1, 3}) {
      SetThreads(threads);
      CHECK(SameBits(Compute(metric, x, x, d), out), "%s %s: itself and a copy", level, NameOf(metric));
    }
    out = Compute(metric, x, x, d);
    for (size_t i = 0; i < n; i++) {
      if (metric != Metric::kDot && metric != Metric::kCosineSimilarity) CHECK(out[i * n + i] == 0, "%s %s: %g at %zu", level, NameOf(metric), out[i * n + i], i);
      for (size_t j = 0; j < i && metric != Metric::kSnr; j++) {
        CHECK(memcmp(&out[i * n + j], &out[j * n + i], 4) == 0, "%s %s at %zu,%zu", level, NameOf(metric), i, j);
      }
    }
    return out;
  });
}

// A result too large for the caches, from and to addresses that lie on no cache line: nothing beside it is touched.
void Streamed() {
  const size_t n = 2901, d = 64, guard = 35;
  const Floats x = Normals(n * d, 8), copy = x;
  AtEveryLevel([&](const char* level) {
    Floats out(n * n + 2 * guard, -7);
    const Floats expected = Compute(Metric::kEuclidean, x, copy, d);
    for (const int threads : {1, 3}) {
      SetThreads(threads);
      for (const size_t at : {guard, guard - 4}) {
        std::fill(out.begin(), out.end(), -7.0f);
        CHECK(Distances({x.data(), x.data(), out.data() + at, n, n, d, Metric::kEuclidean}, nullptr) == Status::kOk, "status");
        CHECK(memcmp(out.data() + at, expected.data(), n * n * sizeof(float)) == 0, "%s, %d threads", level, threads);
        for (size_t i = 0; i < out.size(); i = i + 1 == at ? at + n * n : i + 1) CHECK(out[i] == -7, "%s: written at %zu", level, i);
      }
    }
    return expected;
  });
}

// Every entry to a relative 5e-5 at worst, where its value is far below the norms; copies give exactly 0.
void NearDuplicates() {
  for (const size_t d : {3, 128, 512, 1000}) {
    for (const float spread : {1e-6f, 1e-3f, 0.05f, 0.3f, 1.0f}) {
      const size_t n = 40;
      const Floats centre = Normals(d, 5, 1, 3), noise = Normals(n * d, 6, spread);
      Floats x(n * d);
      for (size_t i = 0; i < n * d; i++) x[i] = centre[i % d] + (i / d % 4 == 0 ? 0 : noise[i]);
      for (const Metric metric : {Metric::kSquaredEuclidean, Metric::kEuclidean, Metric::kCosineDistance}) {
        AtEveryLevel([&](const char* level) {
          const Floats out = Compute(metric, x, x, d);
          for (size_t i = 0; i < n * n; i++) {
            const double exact = OracleDistance(metric, &x[i / n * d], &x[i % n * d], d);
            const bool copy = memcmp(&x[i / n * d], &x[i % n * d], d * 4) == 0;
            CHECK(!copy || out[i] == 0, "%s %s d %zu: copies at %g", level, NameOf(metric), d, out[i]);
            const double slack = metric == Metric::kCosineDistance ? 1e-13 : 0;
            CHECK(copy || fabs(out[i] - exact) <= 5e-5 * exact + slack, "%s %s d %zu spread %g: %g, not %g", level, NameOf(metric), d, spread, out[i], exact);
          }
          return out;
        });
      }
    }
  }
}

// Rows whose squares overflow or vanish in float32, infinite and NaN rows, zero rows, constant rows: the oracle's float32.
void Extremes() {
  const size_t d = 19;
  const float inf = INFINITY;
  Floats x;
  for (const float scale : {1.0f, 1e19f, 1.0001e19f, 3e20f, 1e30f, 3e37f, 1e-19f, 1e-30f, 1e-42f, 0.0f, 1e-12f}) {
    const Floats row = Normals(d, scale == 1.0001e19f ? 77 : static_cast<uint32_t>(x.size() + 77), scale);
    x.insert(x.end(), row.begin(), row.end());
  }
  x.insert(x.end(), d, 0.1f);
  x.insert(x.end(), d, 5e18f);
  for (const float odd : {inf, -inf, NAN}) {
    Floats row = Normals(d, 3);
    row[7] = odd;
    x.insert(x.end(), row.begin(), row.end());
  }
  const size_t n = x.size() / d;
  for (const Metric metric : kMetrics) {
    AtEveryLevel([&](const char* level) {
      const Floats y = x;
      const Floats out = Compute(metric, x, y, d);
      for (size_t i = 0; i < n * n; i++) {
        const float expected = static_cast<float>(OracleDistance(metric, &x[i / n * d], &x[i % n * d], d));
        if (metric == Metric::kSnr && i / n == 11) continue;  // a constant row's variance: exactly 0 here, rounding there
        const bool same = (expected != expected && out[i] != out[i]) || out[i] == expected || fabs(out[i] - expected) <= 3e-5 * fabs(expected) + 1e-7f;
        CHECK(same, "%s %s of rows %zu, %zu: %g, not %g", level, NameOf(metric), i / n, i % n, out[i], expected);
        CHECK(metric == Metric::kDot || metric == Metric::kCosineSimilarity || !(out[i] < 0), "negative");
      }
      return out;
    });
  }
  const Floats constant(d, 0.1f), other = Normals(d, 9);
  AtEveryLevel([&](const char*) {
    const Floats out = Compute(Metric::kSnr, constant, other, d);
    CHECK(out[0] == 0, "no signal: %g", out[0]);
    return out;
  });
}

void ReferenceVectors() {
  for (const VectorCase& item : VectorCases("pairwise_distance.")) {
    const Array x = item.Get("x"), y = item.Has("y") ? item.Get("y") : x, expected = item.Get("out");
    const Metric metric = static_cast<Metric>(MetricNamed(item.Text("metric")));
    const double tolerance = item.Tolerance("out", expected);
    AtEveryLevel([&](const char* level) {
      const Floats out = Compute(metric, x.Floats(), y.Floats(), x.shape[1]);
      for (size_t i = 0; i < out.size(); i++) {
        const double want = expected.data[i];
        CHECK(want != want ? isfinite(out[i]) : fabs(out[i] - want) <= tolerance, "%s %s at %zu: %g, not %g", level, item.Name().c_str(), i, out[i], want);
      }
      return out;
    });
  }
}

// A workspace that cannot be had is reported before anything is read or written.
void NoMemory() {
  const float x = 0;
  float out = -7;
  CHECK(Distances({&x, &x, &out, SIZE_MAX / 16, 1, 1, Metric::kSnr}, nullptr) == Status::kOutOfMemory, "status");
  CHECK(out == -7, "written");
  CHECK(Distances({&x, &x, &out, 0, 1, 1, Metric::kDot}, nullptr) == Status::kOk && out == -7, "nothing to do");
}

}  // namespace

int main() {
  for (const Metric metric : kMetrics) {
    for (const size_t n : {1, 15, 17, 97}) {
      for (const size_t m : {1, 16, 33, 257}) {
        for (const size_t d : {1, 5, 16, 63, 257}) AgainstOracle(metric, Normals(n * d, 1), Normals(m * d, 2), d);
      }
    }
    AgainstOracle(metric, Normals(301 * 512, 3), Normals(130 * 512, 4), 512);
    AgainstOracle(metric, Normals(600 * 1601, 3), Normals(33 * 1601, 4), 1601);  // several blocks of depth, runs of rows
    Alone(metric, Normals(61 * 100, 5), Normals(45 * 100, 6), 100);
    Alone(metric, Normals(61 * 900, 5, 1, 4), Normals(45 * 900, 6, 1, 4), 900);
    Alone(metric, Normals(61 * 100, 5, 1, 100), Normals(45 * 100, 6, 1, 100), 100);  // tiles full of near duplicates
    Alone(metric, Normals(30 * 37, 5, 1, 9), Normals(75 * 37, 6, 1, 9), 37);
    Self(metric, Normals(70 * 33, 7), 33);
    Self(metric, Normals(128 * 20, 7), 20);
    Self(metric, Normals(613 * 70, 7), 70);  // large enough to be mirrored
    Self(metric, Normals(70 * 800, 7, 1, 100), 800);
  }
  Self(Metric::kCosineDistance, Normals(1400 * 1536, 7, 1, 1), 1536);  // several blocks of rows and of depth
  Streamed();
  NearDuplicates();
  Extremes();
  ReferenceVectors();
  NoMemory();
  return 0;
}
