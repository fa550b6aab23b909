// packed_text_test FILE: what packed_texts.mjs has packed is unpacked again, and the committed PTX; what is cut, changed or made up is refused, within
// the bounds of what is there.
#include "../../native/cuda/packed_text.h"

#include <string>

#include "../../native/cuda/ceilings/ptx.h"
#include "../../native/cuda/ptx.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;
using cuda::PackedText;
using cuda::Unpack;

namespace {

constexpr size_t kShort = 150;  // bytes, packed: every cut and flip of these is tried

// Owns no more than its bytes need, so that AddressSanitizer sees a read beyond.
struct Packed {
  std::vector<uint64_t> words;
  PackedText text;
  Packed(const std::string& bytes, size_t size, uint32_t checksum) : words((bytes.size() + 7) / 8), text{words.data(), bytes.size(), size, checksum} {
    for (size_t i = 0; i < bytes.size(); i++) words[i / 8] |= uint64_t{static_cast<uint8_t>(bytes[i])} << i % 8 * 8;
  }
};

bool Refused(const std::string& bytes, size_t size, uint32_t checksum) {
  const Packed packed(bytes, size, checksum);
  std::string found;
  return !Unpack(packed.text, found);
}

void TestText(const std::string& text, const std::string& bytes, uint32_t checksum) {
  std::string found = "what was there before";
  CHECK(Unpack(Packed(bytes, text.size(), checksum).text, found) && found == text, "%zu bytes of text, %zu packed", text.size(), bytes.size());
  CHECK(Refused(bytes, text.size(), checksum + 1), "a wrong checksum passes");
  CHECK(Refused(bytes, text.size() + 1, checksum), "a text of %zu with one more byte passes", text.size());
  CHECK(text.empty() || Refused(bytes, text.size() - 1, checksum), "a text of %zu with one byte less passes", text.size());
  const size_t step = bytes.size() <= kShort ? 1 : bytes.size() / 4;
  for (size_t kept = 0; kept < bytes.size(); kept += step) CHECK(Refused(bytes.substr(0, kept), text.size(), checksum), "%zu of %zu bytes pass", kept, bytes.size());
  for (size_t bit = 0; bit < bytes.size() * 8; bit += step) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    // The last bytes say more than is needed.
    const Packed packed(flipped, text.size(), checksum);
    CHECK(!Unpack(packed.text, found) || found == text, "bit %zu of %zu bytes may be another", bit, bytes.size());
  }
}

size_t TestFile(const char* path) {
  FILE* const file = fopen(path, "rb");
  CHECK(file != nullptr, "%s does not open", path);
  uint32_t sizes[3];
  size_t count = 0;
  for (; fread(sizes, sizeof(sizes), 1, file) == 1; count++) {
    std::string text(sizes[0], '\0'), bytes(sizes[1], '\0');
    CHECK(fread(text.data(), 1, text.size(), file) == text.size() && fread(bytes.data(), 1, bytes.size(), file) == bytes.size(), "%s is cut", path);
    TestText(text, bytes, sizes[2]);
  }
  fclose(file);
  return count;
}

void TestMadeUp() {
  Random random(3);
  for (int round = 0; round < 3000; round++) {
    std::string bytes(random.Next() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next() >> 13);
    CHECK(Refused(bytes, random.Next() % 20000 + 1, random.Next()), "made up: %zu bytes", bytes.size());
  }
  // All decisions alike: repeats before there is a text, numbers without an end.
  for (const int byte : {0, 255}) CHECK(Refused(std::string(5000, static_cast<char>(byte)), size_t{1} << 20, 0), "made up of %d", byte);
}

void TestModule(const PackedText& packed, const char* target, const char* kernel) {
  std::string ptx;
  CHECK(Unpack(packed, ptx) && ptx.size() == packed.size, "PTX for %s", target);
  CHECK(ptx.find(std::string(".target ") + target) < 100 && ptx.find(std::string(".visible .entry ") + kernel + "(") != std::string::npos, "PTX for %s", target);
}

}  // namespace

int main(int count, char** arguments) {
  CHECK(count == 2, "name the file that packed_texts.mjs writes");
  const size_t texts = TestFile(arguments[1]);
  CHECK(texts > 80, "%zu texts", texts);
  TestMadeUp();
  TestModule(cuda::kPtx, "sm_75", "multiply");
  TestModule(cuda::kFastPtx, "sm_80", "fast_multiply");
  TestModule(cuda::kCeilingsPtx, "sm_75", "fma_ceiling");
  printf("%zu texts are unpacked as they were packed, and the PTX\n", texts);
  return 0;
}
