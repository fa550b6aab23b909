// GFLOP/s of the core beside the FMA peak measured in the same run. bench_core [threads …]
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "../../native/cpu.h"
#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "peak.h"

using namespace hypersphere;
using bench::Best;

namespace {

std::vector<float> Values(size_t count, float offset = 0) {
  std::vector<float> values(count);
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f + offset;
  }
  return values;
}

void Show(const char* name, size_t n, size_t m, size_t d, double seconds, double peak) {
  const double rate = 2.0 * static_cast<double>(n) * static_cast<double>(m) * static_cast<double>(d) / seconds * 1e-9;
  printf("  %-26s %6zu x %6zu x %4zu  %9.3f ms  %7.1f GFLOP/s", name, n, m, d, seconds * 1e3, rate);
  if (peak > 0) printf("  %5.1f %%", 100 * rate / peak);
  printf("\n");
  fflush(stdout);
}

void Run(int threads) {
  SetThreads(threads);
  const double peak = bench::FmaPeak(threads);
  printf("%s, %d threads, FMA peak %.0f GFLOP/s\n", LevelName(CurrentLevel()), threads, peak);
  const size_t shapes[][3] = {{512, 100000, 512}, {4096, 4096, 128}, {1024, 1024, 128}, {256, 10000, 512}, {64, 1000, 64}, {1, 100000, 128}};
  for (const auto& [n, m, d] : shapes) {
    const std::vector<float> x = Values(n * d), y = Values(m * d);
    std::vector<float> out(n * m);
    Show("matmul a·bᵀ", n, m, d, Best([&] { Matmul({x.data(), y.data(), out.data(), false, true, n, d, m}, nullptr); }), peak);
  }
  {
    const size_t n = 512, inner = 20000, m = 512;
    const std::vector<float> a = Values(n * inner), b = Values(inner * m);
    std::vector<float> out(n * m);
    Show("matmul a·b", n, m, inner, Best([&] { Matmul({a.data(), b.data(), out.data(), false, false, n, inner, m}, nullptr); }), peak);
    Show("matmul aᵀ·b", n, m, inner, Best([&] { Matmul({a.data(), b.data(), out.data(), true, false, n, inner, m}, nullptr); }), peak);
  }
  const char* const names[] = {"squaredEuclidean", "euclidean", "manhattan", "dot", "cosineSimilarity", "cosineDistance", "snr"};
  const size_t n = 4096, m = 4096, d = 128;
  const std::vector<float> x = Values(n * d), y = Values(m * d), near_x = Values(n * d, 100), near_y = near_x;
  std::vector<float> out(n * m);
  const auto distances = [&](const char* name, const std::vector<float>& a, const std::vector<float>& b, Metric metric) {
    Show(name, n, m, d, Best([&] { Distances({a.data(), b.data(), out.data(), n, m, d, metric}, nullptr); }), peak);
  };
  for (int metric = 0; metric < 7; metric++) distances(names[metric], x, y, static_cast<Metric>(metric));
  distances("euclidean, itself", x, x, Metric::kEuclidean);
  distances("euclidean, all near", near_x, near_y, Metric::kEuclidean);
  const size_t rows = 1024;
  const std::vector<float> g = Values(rows * rows);
  std::vector<float> to_x(rows * d), to_y(rows * d);
  for (int metric = 0; metric < 7; metric++) {
    const DistancesGradientOp op{x.data(), y.data(), g.data(), to_x.data(), to_y.data(), rows, rows, d, static_cast<Metric>(metric)};
    Show((std::string("gradient ") + names[metric]).c_str(), rows, rows, d, Best([&] { DistancesGradient(op, nullptr); }), 0);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (const char* level = getenv("HYPERSPHERE_ISA")) {
    for (const Level candidate : {Level::kBaseline, Level::kAvx2, Level::kAvx512, Level::kNeon}) {
      if (std::string(LevelName(candidate)) == level) SetLevel(candidate);
    }
  }
  if (count < 2) {
    Run(1);
    Run(2);
  }
  for (int i = 1; i < count; i++) Run(atoi(arguments[i]));
}
