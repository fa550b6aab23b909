// The generator of lib/random.ts, word for word: what draws from it natively draws what the reference does.
#pragma once

#include <stdint.h>

#include "../host_device.h"

namespace hypersphere {

class Sfc32 {
 public:
  // The stream of these words.
  template <class... Words>
  HYPERSPHERE_HOST_DEVICE explicit Sfc32(uint32_t first, Words... more) {
    uint32_t state = first;
    ((state = Mix(state) ^ static_cast<uint32_t>(more)), ...);
    a_ = Mix(state);
    b_ = Mix(state);
    c_ = Mix(state);
    for (int i = 0; i < 12; i++) Bits();
  }

  HYPERSPHERE_HOST_DEVICE uint32_t Bits() {
    const uint32_t sum = a_ + b_ + counter_++;
    a_ = b_ ^ (b_ >> 9);
    b_ = c_ + (c_ << 3);
    c_ = ((c_ << 21) | (c_ >> 11)) + sum;
    return sum;
  }

  // Uniform in [0, bound), bound > 0.
  HYPERSPHERE_HOST_DEVICE uint32_t Integer(uint32_t bound) {
    constexpr uint64_t kAll = uint64_t{1} << 32;
    const uint64_t limit = kAll - kAll % bound;
    uint32_t value = Bits();
    while (value >= limit) value = Bits();
    return value % bound;
  }

 private:
  // splitmix32
  HYPERSPHERE_HOST_DEVICE static uint32_t Mix(uint32_t& state) {
    state += 0x9e3779b9;
    uint32_t z = state ^ (state >> 16);
    z *= 0x21f0aaad;
    z ^= z >> 15;
    z *= 0x735a2d97;
    return z ^ (z >> 15);
  }

  uint32_t a_, b_, c_, counter_ = 1;
};

}  // namespace hypersphere
