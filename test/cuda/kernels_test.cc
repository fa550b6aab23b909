// Products, distances and normalisation: the same bits as the CPU at every level with fused multiply-add, on plain data and on data that needs
// every way round.
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

void TestMatmul(size_t rows, size_t inner, size_t cols) {
  const std::vector<float> a = Normals(rows * inner, 1), b = Normals(inner * cols, 2);
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      TestBits("matmul", ta == tb ? "alike" : "turned", [&](bool device) {
        std::vector<float> out(rows * cols, NAN);
        const MatmulOp op{a.data(), b.data(), out.data(), ta, tb, rows, inner, cols};
        Succeed(device ? cuda::Matmul(op, nullptr) : Matmul(op, nullptr));
        return out;
      });
    }
  }
}

constexpr Metric kMetrics[] = {Metric::kSquaredEuclidean, Metric::kEuclidean,      Metric::kManhattan, Metric::kDot,
                               Metric::kCosineSimilarity, Metric::kCosineDistance, Metric::kSnr};

void TestDistances(const char* name, const std::vector<float>& x, const std::vector<float>& y, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  for (const Metric metric : kMetrics) {
    const std::string of = std::string(name) + ", metric " + std::to_string(static_cast<int>(metric));
    for (const bool self : {false, true}) {
      TestBits("distances", of.c_str(), [&](bool device) {
        std::vector<float> out(n * (self ? n : m), NAN);
        const DistancesOp op{x.data(), self ? x.data() : y.data(), out.data(), n, self ? n : m, d, metric};
        Succeed(device ? cuda::Distances(op, nullptr) : Distances(op, nullptr));
        return out;
      });
    }
  }
}

// Some weights are 0: such a pair is left out, whatever its rows hold.
void TestDistancesGradient(const char* name, const std::vector<float>& x, const std::vector<float>& y, size_t d) {
  const size_t n = x.size() / d, m = y.size() / d;
  std::vector<float> g = Normals(n * m, 11);
  for (size_t t = 0; t < g.size(); t += 3) g[t] = 0;
  for (const Metric metric : kMetrics) {
    TestBits("distancesGradient", name, [&](bool device) {
      std::vector<float> of_x(n * d, NAN), of_y(m * d, NAN);
      const DistancesGradientOp op{x.data(), y.data(), g.data(), of_x.data(), of_y.data(), n, m, d, metric};
      Succeed(device ? cuda::DistancesGradient(op, nullptr) : DistancesGradient(op, nullptr));
      of_x.insert(of_x.end(), of_y.begin(), of_y.end());
      return of_x;
    });
  }
}

void TestNormalize(const std::vector<float>& x, size_t d) {
  const size_t n = x.size() / d;
  const std::vector<float> g = Normals(x.size(), 7);
  TestBits("normalize", "nasty", [&](bool device) {
    std::vector<float> out(x.size(), NAN);
    const NormalizeOp op{x.data(), out.data(), n, d, 1e-12};
    Succeed(device ? cuda::Normalize(op, nullptr) : Normalize(op, nullptr));
    return out;
  });
  TestBits("normalizeGradient", "nasty", [&](bool device) {
    std::vector<float> out(x.size(), NAN);
    const NormalizeGradientOp op{x.data(), g.data(), out.data(), n, d, 1e-12};
    Succeed(device ? cuda::NormalizeGradient(op, nullptr) : NormalizeGradient(op, nullptr));
    return out;
  });
}

}  // namespace

void hypersphere::test::TestKernels() {
  TestMatmul(1, 1, 1);
  TestMatmul(3, 17, 130);
  TestMatmul(129, 40, 65);
  for (const size_t d : {1, 15, 40}) {
    TestDistances("plain", Normals(19 * d, 3), Normals(131 * d, 4), d);
    TestDistances("offset", Normals(9 * d, 3, 1, 100), Normals(21 * d, 4, 1, 100), d);
    TestDistances("nasty", Nasty(17, d, 5), Nasty(33, d, 6), d);
    TestDistancesGradient("plain", Normals(35 * d, 3), Normals(131 * d, 4), d);
    TestDistancesGradient("nasty", Nasty(17, d, 5), Nasty(33, d, 6), d);
    TestNormalize(Nasty(33, d, 8), d);
  }
}
