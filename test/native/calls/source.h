// Numbers drawn from bytes, a fuzzer's or a seed's. Every sequence of bytes gives valid numbers, and past its end a source gives zeros, so that
// a short one is a small call.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <initializer_list>

#include "../check.h"

namespace hypersphere::test {

class Source {
 public:
  Source(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

  uint32_t Byte() { return at_ < end_ ? *at_++ : 0; }
  uint32_t Word() {
    uint32_t word = 0;
    for (int i = 0; i < 4; i++) word = word << 8 | Byte();
    return word;
  }
  bool Flag() { return Byte() % 2 == 1; }
  size_t Size(size_t least, size_t most) { return least + (Byte() << 8 | Byte()) % (most - least + 1); }
  // Of rows or columns: few, or around the ends of lanes, tiles and blocks.
  size_t Length(size_t least, size_t most) {
    static constexpr size_t kEdges[] = {15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 513, 769};
    const uint32_t byte = Byte();
    const size_t length = byte < 200 ? byte % 24 : kEdges[byte % (sizeof(kEdges) / sizeof(*kEdges))];
    return length < least ? least : length > most ? most : length;
  }
  template <class Choice>
  Choice Of(std::initializer_list<Choice> choices) {
    return choices.begin()[Byte() % choices.size()];
  }
  // Both ends, plain numbers between them, and such as are far from 1.
  double Number(double least, double most) {
    static constexpr double kPowers[] = {1e-300, 1e-40, 1e-30, 1e-12, 1e-6, 1e6, 1e12, 1e30, 1e40, 1e300};
    const uint32_t byte = Byte();
    const double plain = (least > -2 ? least : -2) + byte / 64.0;
    const double number = byte == 1 ? least : byte == 2 ? most : byte < 13 && byte > 2 ? kPowers[byte - 3] : plain;
    return number < least ? least : number > most ? most : number;
  }

  // Rows of d numbers: plain, some like others, with some or only of what is rare, or all of one value; then a few of any bits.
  void Fill(float* to, size_t count, size_t d) {
    static constexpr uint32_t kRare[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x1e3ce508, 0x5f000000, 0xdf000000, 0x7f7fffff,
                                         0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffbfffff, 0x3f800000, 0xbf800000, 0x33800000};
    constexpr size_t kRareCount = sizeof(kRare) / sizeof(*kRare);
    const uint32_t kind = Byte() % 8;
    Random random(Byte() << 8 | Byte());
    const uint32_t constant = kRare[random.Next() % kRareCount];
    for (size_t i = 0; i < count; i++) {
      to[i] = random.Normal();
      if (kind == 1 && i >= d && random.Next() % 2 == 0) to[i] = to[i % d];
      if ((kind == 2 && random.Next() % 8 == 0) || kind == 3) memcpy(to + i, kRare + random.Next() % kRareCount, sizeof(float));
      if (kind == 4) memcpy(to + i, &constant, sizeof(float));
      if (kind == 5) to[i] *= 0x1p-70f;
      if (kind == 6) to[i] *= 0x1p60f;
      if (kind == 7) to[i] += 1000;
    }
    for (uint32_t left = Byte() % 4; count > 0 && left > 0; left--) {
      const size_t place = (Byte() << 8 | Byte()) % count;
      const uint32_t bits = Word();
      memcpy(to + place, &bits, sizeof(float));
    }
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace hypersphere::test
