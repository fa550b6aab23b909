#include "cpu.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

extern "C" {
extern const hypersphere::KernelTable hypersphere_kernels_baseline;
#if defined(__x86_64__)
extern const hypersphere::KernelTable hypersphere_kernels_avx2;
extern const hypersphere::KernelTable hypersphere_kernels_avx512;
#elif defined(__aarch64__)
extern const hypersphere::KernelTable hypersphere_kernels_neon;
#endif
}

namespace hypersphere {
namespace {

#if defined(__x86_64__)
constexpr bool HasAll(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

// The registers that the operating system saves: without them an AVX instruction faults however able the CPU is.
uint64_t SavedRegisters() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

Level Detect() {
  constexpr uint32_t kFma = 1u << 12, kOsxsave = 1u << 27, kAvx = 1u << 28, kF16c = 1u << 29;             // leaf 1, ecx
  constexpr uint32_t kAvx2 = 1u << 5, kF = 1u << 16, kDq = 1u << 17, kCd = 1u << 28, kBw = 1u << 30, kVl = 1u << 31;  // leaf 7, ebx
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6;                                                              // XCR0
  uint32_t eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !HasAll(ecx, kFma | kOsxsave | kAvx | kF16c)) return Level::kBaseline;
  const uint64_t saved = SavedRegisters();
  if (!HasAll(saved, kYmm) || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !HasAll(ebx, kAvx2)) return Level::kBaseline;
  return HasAll(saved, kZmm) && HasAll(ebx, kF | kDq | kCd | kBw | kVl) ? Level::kAvx512 : Level::kAvx2;
}

bool HasByteProducts() {
  constexpr uint32_t kAvx512Vnni = 1u << 11;  // leaf 7, ecx
  uint32_t eax, ebx, ecx, edx;
  return DetectedLevel() == Level::kAvx512 && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && HasAll(ecx, kAvx512Vnni);
}
#elif defined(__aarch64__)
bool HasByteProducts() { return false; }
Level Detect() { return Level::kNeon; }
#else
bool HasByteProducts() { return false; }
Level Detect() { return Level::kBaseline; }
#endif

bool Supported(Level level) {
  const Level detected = DetectedLevel();
  return level == Level::kBaseline || level == detected || (level == Level::kAvx2 && detected == Level::kAvx512);
}

thread_local const KernelTable* kept_kernels = nullptr;

std::atomic<Level>& Current() {
  static std::atomic<Level> level{DetectedLevel()};
  return level;
}

}  // namespace

Level DetectedLevel() {
  static const Level detected = Detect();
  return detected;
}

bool HasCoarse(const KernelTable& kernels) {
  static const bool has = HasByteProducts();
  return has && kernels.coarse != nullptr;
}

Level CurrentLevel() { return Current().load(std::memory_order_relaxed); }

bool SetLevel(Level level) {
  if (!Supported(level)) return false;
  Current().store(level, std::memory_order_relaxed);
  return true;
}

const char* LevelName(Level level) {
  switch (level) {
    case Level::kAvx2: return "avx2";
    case Level::kAvx512: return "avx512";
    case Level::kNeon: return "neon";
    default: return "baseline";
  }
}

KeptLevel::KeptLevel(const KernelTable& kernels) : before_(kept_kernels) { kept_kernels = &kernels; }

KeptLevel::~KeptLevel() { kept_kernels = before_; }

const KernelTable& CurrentKernels() {
  if (kept_kernels != nullptr) return *kept_kernels;
  switch (CurrentLevel()) {
#if defined(__x86_64__)
    case Level::kAvx2: return hypersphere_kernels_avx2;
    case Level::kAvx512: return hypersphere_kernels_avx512;
#elif defined(__aarch64__)
    case Level::kNeon: return hypersphere_kernels_neon;
#endif
    default: return hypersphere_kernels_baseline;
  }
}

}  // namespace hypersphere
