// The CUDA kernels through the ops that launch them, on the driver that HYPERSPHERE_CUDA_DRIVER names or, without it, on the stand-in: the same
// bits as the CPU at every level with fused multiply-add, on plain data and on data that needs every way round.
#include <math.h>
#include <stdlib.h>

#include "../../native/cuda/context.h"
#include "../../native/cuda/ops/ops.h"
#include "../../native/ops/ops.h"
#include "../native/check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

std::vector<Level> FusedLevels() {
  std::vector<Level> levels;
  for (const Level level : Levels()) {
    if (level != Level::kBaseline) levels.push_back(level);
  }
  return levels;
}

// compute(on the device?) at each level against the device's result.
template <class Compute>
void TestBits(const char* name, const Compute& compute) {
  const std::vector<float> device = compute(true);
  for (const Level level : FusedLevels()) {
    SetLevel(level);
    const std::vector<float> cpu = compute(false);
    for (size_t i = 0; i < cpu.size(); i++) {
      const bool same = SameBits(std::vector<float>{cpu[i]}, std::vector<float>{device[i]});
      CHECK(same, "%s at %s: element %zu is %a on the CPU and %a on the device", name, LevelName(level), i, double(cpu[i]), double(device[i]));
    }
  }
  SetLevel(DetectedLevel());
}

void Succeed(Status status) { CHECK(status == Status::kOk, "status %d: %s", static_cast<int>(status), cuda::Context::Failure().c_str()); }

void TestMatmul(size_t rows, size_t inner, size_t cols) {
  const std::vector<float> a = Normals(rows * inner, 1), b = Normals(inner * cols, 2);
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      TestBits("matmul", [&](bool device) {
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
    for (const bool self : {false, true}) {
      TestBits(name, [&](bool device) {
        std::vector<float> out(n * (self ? n : m), NAN);
        const DistancesOp op{x.data(), self ? x.data() : y.data(), out.data(), n, self ? n : m, d, metric};
        Succeed(device ? cuda::Distances(op, nullptr) : Distances(op, nullptr));
        return out;
      });
    }
  }
}

// Rows of which some are zero, equal to another one, far out, tiny, infinite or no numbers.
std::vector<float> Nasty(size_t n, size_t d, uint32_t seed) {
  std::vector<float> rows = Normals(n * d, seed);
  const float scales[] = {1, 0, 1e-30f, 1e25f, INFINITY, NAN, 1e-20f};
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < d; k++) rows[i * d + k] = i % 8 == 7 ? rows[k] : rows[i * d + k] * scales[i % 8 % 7];
  }
  return rows;
}

void TestNormalize(const std::vector<float>& x, size_t d) {
  const size_t n = x.size() / d;
  const std::vector<float> g = Normals(x.size(), 7);
  TestBits("normalize", [&](bool device) {
    std::vector<float> out(x.size(), NAN);
    const NormalizeOp op{x.data(), out.data(), n, d, 1e-12};
    Succeed(device ? cuda::Normalize(op, nullptr) : Normalize(op, nullptr));
    return out;
  });
  TestBits("normalizeGradient", [&](bool device) {
    std::vector<float> out(x.size(), NAN);
    const NormalizeGradientOp op{x.data(), g.data(), out.data(), n, d, 1e-12};
    Succeed(device ? cuda::NormalizeGradient(op, nullptr) : NormalizeGradient(op, nullptr));
    return out;
  });
}

}  // namespace

int main() {
#if defined(HYPERSPHERE_SIMT)
  setenv("HYPERSPHERE_CUDA_DRIVER", HYPERSPHERE_SIMT, 0);
#endif
  cuda::Context* const context = cuda::Context::Get();
  CHECK(context != nullptr, "%s", cuda::Context::Reason().c_str());
  CHECK(!FusedLevels().empty(), "this CPU has no fused multiply-add to compare with");
  TestMatmul(1, 1, 1);
  TestMatmul(3, 17, 130);
  TestMatmul(129, 40, 65);
  for (const size_t d : {1, 15, 40}) {
    TestDistances("plain", Normals(19 * d, 3), Normals(131 * d, 4), d);
    TestDistances("offset", Normals(9 * d, 3, 1, 100), Normals(21 * d, 4, 1, 100), d);
    TestDistances("nasty", Nasty(17, d, 5), Nasty(33, d, 6), d);
    TestNormalize(Nasty(33, d, 8), d);
  }
  printf("%s (driver %d): products, distances and normalisation have the CPU's bits\n", context->Name().c_str(), context->DriverVersion());
  return 0;
}
