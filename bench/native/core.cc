// GFLOP/s of the core beside the FMA peak measured in the same run. bench_core [threads …]
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "../../native/cpu.h"
#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"

using namespace hypersphere;

namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Best of several rounds: the machine is shared, and what is asked is what the code can do.
double Best(const std::function<void()>& call, double seconds = 0.6) {
  call();
  double best = 1e9;
  const double end = Now() + seconds;
  do {
    const double start = Now();
    call();
    best = std::min(best, Now() - start);
  } while (Now() < end);
  return best;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void FmaLoop512(long rounds) {
  for (long i = 0; i < rounds; i++) {
    __asm__ volatile(
        "vfmadd231ps %%zmm0,%%zmm0,%%zmm1\n vfmadd231ps %%zmm0,%%zmm0,%%zmm2\n vfmadd231ps %%zmm0,%%zmm0,%%zmm3\n vfmadd231ps %%zmm0,%%zmm0,%%zmm4\n"
        "vfmadd231ps %%zmm0,%%zmm0,%%zmm5\n vfmadd231ps %%zmm0,%%zmm0,%%zmm6\n vfmadd231ps %%zmm0,%%zmm0,%%zmm7\n vfmadd231ps %%zmm0,%%zmm0,%%zmm8\n"
        "vfmadd231ps %%zmm0,%%zmm0,%%zmm9\n vfmadd231ps %%zmm0,%%zmm0,%%zmm10\n vfmadd231ps %%zmm0,%%zmm0,%%zmm11\n vfmadd231ps %%zmm0,%%zmm0,%%zmm12\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12");
  }
}
__attribute__((target("avx2,fma"))) void FmaLoop256(long rounds) {
  for (long i = 0; i < rounds; i++) {
    __asm__ volatile(
        "vfmadd231ps %%ymm0,%%ymm0,%%ymm1\n vfmadd231ps %%ymm0,%%ymm0,%%ymm2\n vfmadd231ps %%ymm0,%%ymm0,%%ymm3\n vfmadd231ps %%ymm0,%%ymm0,%%ymm4\n"
        "vfmadd231ps %%ymm0,%%ymm0,%%ymm5\n vfmadd231ps %%ymm0,%%ymm0,%%ymm6\n vfmadd231ps %%ymm0,%%ymm0,%%ymm7\n vfmadd231ps %%ymm0,%%ymm0,%%ymm8\n"
        "vfmadd231ps %%ymm0,%%ymm0,%%ymm9\n vfmadd231ps %%ymm0,%%ymm0,%%ymm10\n vfmadd231ps %%ymm0,%%ymm0,%%ymm11\n vfmadd231ps %%ymm0,%%ymm0,%%ymm12\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12");
  }
}
#endif

double Peak(int threads) {
#if defined(__x86_64__)
  if (CurrentLevel() == Level::kBaseline) return 0;
  const bool wide = CurrentLevel() == Level::kAvx512;
  constexpr long kRounds = 3000000;
  const double seconds = Best([&] {
    std::vector<std::thread> others;
    const auto loop = [&] { wide ? FmaLoop512(kRounds) : FmaLoop256(kRounds); };
    for (int t = 1; t < threads; t++) others.emplace_back(loop);
    loop();
    for (std::thread& other : others) other.join();
  }, 1.5);
  return threads * kRounds * 12.0 * (wide ? 32 : 16) / seconds * 1e-9;
#else
  (void)threads;
  return 0;
#endif
}

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
  const double peak = Peak(threads);
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
