// The stand-in itself: what it computes, also after a launch that failed. bugs_test.cc has the mistakes that it finds.
#include <stdio.h>

#include <vector>

#include "../../native/cuda/simt/tensor.h"

using namespace hypersphere;

namespace {

constexpr unsigned kThreads = 48;  // a warp and a half

struct Data {
  std::vector<int> in = std::vector<int>(kThreads), out = std::vector<int>(kThreads, -1);
};

// nullptr, or what the stand-in says.
const char* Run(void (*kernel)(Data&), Data& data) {
  struct Bound {
    void (*kernel)(Data&);
    Data* data;
  } bound{kernel, &data};
  return simt::Launch({2, 1, 1}, {kThreads, 1, 1}, [](void* of) { static_cast<Bound*>(of)->kernel(*static_cast<Bound*>(of)->data); }, &bound);
}

void Reverse(Data& data) {
  SHARED_ARRAY(int, seen, kThreads);
  const unsigned t = threadIdx.x;
  seen[t] = data.in[t];
  SyncThreads();
  data.out[t] = seen[kThreads - 1 - t];
}

void SumOfHalfWarp(Data& data) {
  const uint32_t mask = 0xffffu << (threadIdx.x & 16);
  int sum = data.in[threadIdx.x];
  for (int by = 8; by > 0; by /= 2) sum += ShuffleXor(mask, sum, by);
  const uint32_t odd = Ballot(mask, sum % 2 != 0);
  data.out[threadIdx.x] = odd == 0 ? sum : -sum;
}

void BarrierAfterTheEnd(Data&) {
  if (threadIdx.x == 0) return;
  SyncThreads();
}
// A warp's product of small whole numbers, [16, 16] by [16, 8], by the fragments as PTX names their elements: a0 … a7, b0 … b3, c0 … c3.
float Left(unsigned row, unsigned k) { return static_cast<float>((row * 7 + k * 3) % 23) - 11; }
float Right(unsigned k, unsigned col) { return static_cast<float>((k * 5 + col * 11) % 19) - 9; }
template <bool kSwapped>
void Fragments(Data& data) {
  if (threadIdx.x >= 32) return;
  const unsigned group = threadIdx.x / 4, of_group = threadIdx.x % 4;
  const auto a = [&](unsigned i) { return Left((i % 4 < 2) != (kSwapped && i % 8 >= 6) ? group : group + 8, of_group * 2 + i % 2 + (i < 4 ? 0 : 8)); };
  const auto b = [&](unsigned i) { return Right(of_group * 2 + i % 2 + (i < 2 ? 0 : 8), group); };
  const uint32_t left[4] = {PairOf(a(0), a(1)), PairOf(a(2), a(3)), PairOf(a(4), a(5)), PairOf(a(6), a(7))};
  const uint32_t right[2] = {PairOf(b(0), b(1)), PairOf(b(2), b(3))};
  float c[4] = {1, 2, 3, 4};
  MultiplyFragments(left, right, c);
  unsigned wrong = 0;
  for (unsigned i = 0; i < 4; i++) {
    float sum = static_cast<float>(i + 1);
    for (unsigned k = 0; k < 16; k++) sum += Left(i < 2 ? group : group + 8, k) * Right(k, of_group * 2 + i % 2);
    wrong += sum != c[i];
  }
  data.out[threadIdx.x] = static_cast<int>(wrong);
}
// To the nearest bfloat16, ties to even, and no number stays none.
bool Rounds() {
  const float from[] = {1, 1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1.002p-8f, -1 - 0x1.002p-8f, 0x1.fefffep127f, 0x1.ffp127f, 0x1p-134f, 0x1.8p-133f, -0.0f};
  const uint32_t to[] = {0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xbf81, 0x7f7f, 0x7f80, 0, 2, 0x8000};
  for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++) {
    if (PairOf(from[i], 1) != (0x3f800000u | to[i])) return fprintf(stderr, "%a becomes %x\n", static_cast<double>(from[i]), PairOf(from[i], 1)), false;
  }
  return (PairOf(0, __builtin_nanf("")) >> 16 & 0x7fff) > 0x7f80;
}

}  // namespace

int main() {
  for (const bool after_failure : {false, true}) {
    Data data;
    for (unsigned t = 0; t < kThreads; t++) data.in[t] = static_cast<int>(t);
    if (after_failure && Run(BarrierAfterTheEnd, data) == nullptr) return fprintf(stderr, "a barrier after the end goes unseen\n"), 1;
    if (Run(Reverse, data) != nullptr) return 1;
    for (unsigned t = 0; t < kThreads; t++) {
      if (data.out[t] != static_cast<int>(kThreads - 1 - t)) return fprintf(stderr, "a barrier does not hold\n"), 1;
    }
    if (Run(SumOfHalfWarp, data) != nullptr) return 1;
    for (unsigned t = 0; t < kThreads; t++) {
      if (data.out[t] != static_cast<int>(t / 16 * 16 * 16 + 120)) return fprintf(stderr, "the shuffles of thread %u are wrong: %d\n", t, data.out[t]), 1;
    }
  }
  if (!Rounds()) return fprintf(stderr, "bfloat16 is not rounded to nearest even\n"), 1;
  for (const bool swapped : {false, true}) {
    Data data;
    if (Run(swapped ? Fragments<true> : Fragments<false>, data) != nullptr) return 1;
    int wrong = 0;
    for (unsigned t = 0; t < 32; t++) wrong += data.out[t];
    if ((wrong != 0) != swapped) return fprintf(stderr, "fragments %s: %d outputs are wrong\n", swapped ? "in another layout" : "as documented", wrong), 1;
  }
  printf("the stand-in computes\n");
  return 0;
}
