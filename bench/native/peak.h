// What this machine can do at most, for the ratios of the bench: fused multiply-adds from registers alone, and reading memory.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "../../native/cpu.h"

namespace hypersphere {
namespace bench {

inline double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Best of several rounds: the machine is shared, and what is asked is what the code can do.
inline double Best(const std::function<void()>& call, double seconds = 0.6) {
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

inline void OnThreads(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; t++) others.emplace_back(body, t);
  body(0);
  for (std::thread& other : others) other.join();
}

#if defined(__x86_64__)
#define HYPERSPHERE_FMA(r, n) "vfmadd231ps %%" r "0,%%" r "0,%%" r n "\n"
#define HYPERSPHERE_FMAS(r)                                                                                       \
  HYPERSPHERE_FMA(r, "1") HYPERSPHERE_FMA(r, "2") HYPERSPHERE_FMA(r, "3") HYPERSPHERE_FMA(r, "4")                 \
  HYPERSPHERE_FMA(r, "5") HYPERSPHERE_FMA(r, "6") HYPERSPHERE_FMA(r, "7") HYPERSPHERE_FMA(r, "8")                 \
  HYPERSPHERE_FMA(r, "9") HYPERSPHERE_FMA(r, "10") HYPERSPHERE_FMA(r, "11") HYPERSPHERE_FMA(r, "12")
#define HYPERSPHERE_FMA_CLOBBERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12"

__attribute__((target("avx512f"))) inline void FmaLoop512(long rounds) {
  for (long i = 0; i < rounds; i++) __asm__ volatile(HYPERSPHERE_FMAS("zmm")::: HYPERSPHERE_FMA_CLOBBERS);
}
__attribute__((target("avx2,fma"))) inline void FmaLoop256(long rounds) {
  for (long i = 0; i < rounds; i++) __asm__ volatile(HYPERSPHERE_FMAS("ymm")::: HYPERSPHERE_FMA_CLOBBERS);
}
#endif

// GFLOP/s of the current level on so many threads; 0 where the level has no fused multiply-add here.
inline double FmaPeak(int threads) {
#if defined(__x86_64__)
  if (CurrentLevel() == Level::kBaseline) return 0;
  const bool wide = CurrentLevel() == Level::kAvx512;
  constexpr long kRounds = 3000000;
  const double seconds = Best([&] { OnThreads(threads, [&](int) { wide ? FmaLoop512(kRounds) : FmaLoop256(kRounds); }); }, 1.5);
  return threads * kRounds * 12.0 * (wide ? 32 : 16) / seconds * 1e-9;
#else
  (void)threads;
  return 0;
#endif
}

// GB/s of reading, each thread its own part of 512 MiB.
inline double ReadBandwidth(int threads) {
  const size_t count = size_t{128} << 20;
  const std::vector<float> memory(count, 1.0f);
  std::vector<double> sums(static_cast<size_t>(threads) * 16);
  const double seconds = Best([&] {
    OnThreads(threads, [&](int t) {
      const size_t part = count / static_cast<size_t>(threads);
      const uint64_t* words = reinterpret_cast<const uint64_t*>(memory.data() + static_cast<size_t>(t) * part);
      uint64_t sum = 0;
      for (size_t i = 0; i < part / 2; i++) sum += words[i];
      sums[static_cast<size_t>(t) * 16] = static_cast<double>(sum);
    });
  }, 1.5);
  return static_cast<double>(count * sizeof(float)) / seconds * 1e-9;
}

}  // namespace bench
}  // namespace hypersphere
