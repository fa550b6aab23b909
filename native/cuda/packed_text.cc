#include "packed_text.h"

#include <vector>

namespace hypersphere {
namespace cuda {
namespace {

// As scripts/packed-text.mjs has them.
constexpr unsigned kRate = 4, kMostDigits = 31;
constexpr size_t kLiterals = 0, kFlags = 65536, kSame = kFlags + 512, kLengths = kSame + 2, kDistances = kLengths + 1312, kContexts = kDistances + 1312;

class Decoder {
 public:
  explicit Decoder(const PackedText& packed) : packed_(packed), chances_(kContexts, 32768) {
    for (int k = 0; k < 4; k++) Take();
  }

  // Some byte was wanted that is not there, or a number has more digits than any.
  bool Failed() const { return failed_; }

  unsigned Bit(size_t context) {
    uint16_t& chance = chances_[context];
    const uint32_t split = low_ + ((high_ - low_) >> 16) * chance;
    const bool bit = value_ <= split;
    chance = static_cast<uint16_t>(bit ? chance + ((65535 - chance) >> kRate) : chance - (chance >> kRate));
    (bit ? high_ : low_) = bit ? split : split + 1;
    while ((low_ ^ high_) >> 24 == 0) {
      low_ <<= 8;
      high_ = high_ << 8 | 255;
      Take();
    }
    return bit;
  }

  // From 1 on: how many digits follow the first one, then these.
  size_t Number(size_t first) {
    unsigned digits = 0;
    while (Bit(first + digits) != 0) {
      if (++digits < kMostDigits) continue;
      failed_ = true;
      return 0;
    }
    size_t prefix = 1;
    for (unsigned k = digits; k-- > 0;) prefix = prefix * 2 + Bit(first + 32 + (digits < 8 ? (size_t{1} << digits) + prefix : 256 + digits * 32 + k));
    return prefix;
  }

  char Byte(uint8_t before) {
    size_t prefix = 1;
    while (prefix < 256) prefix = prefix * 2 + Bit(kLiterals + before * size_t{256} + prefix);
    return static_cast<char>(prefix & 255);
  }

 private:
  void Take() {
    failed_ = failed_ || at_ == packed_.bytes;
    value_ = value_ << 8 | (failed_ ? 0 : packed_.words[at_ / 8] >> at_ % 8 * 8 & 255);
    at_++;
  }

  const PackedText& packed_;
  std::vector<uint16_t> chances_;  // of a 1, of 65536
  uint32_t low_ = 0, high_ = UINT32_MAX, value_ = 0;
  size_t at_ = 0;
  bool failed_ = false;
};

uint32_t Checksum(const std::string& text) {
  uint32_t hash = 0x811c9dc5;
  for (const char byte : text) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x01000193;
  return hash;
}

}  // namespace

bool Unpack(const PackedText& packed, std::string& text) {
  Decoder decoder(packed);
  text.clear();
  text.reserve(packed.size);
  size_t distance = 1;
  bool repeated = false;
  while (text.size() < packed.size && !decoder.Failed()) {
    const uint8_t before = text.empty() ? 0 : static_cast<uint8_t>(text.back());
    const bool now = decoder.Bit(kFlags + (repeated ? 256 : 0) + before) != 0;
    if (!now) {
      text += decoder.Byte(before);
    } else {
      if (decoder.Bit(kSame + (repeated ? 1 : 0)) == 0) distance = decoder.Number(kDistances);
      const size_t length = decoder.Number(kLengths);
      if (decoder.Failed() || distance > text.size() || length > packed.size - text.size()) return false;
      for (size_t k = 0; k < length; k++) text += text[text.size() - distance];
    }
    repeated = now;
  }
  return !decoder.Failed() && Checksum(text) == packed.checksum;
}

}  // namespace cuda
}  // namespace hypersphere
