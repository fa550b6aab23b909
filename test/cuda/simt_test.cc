// The stand-in itself: what it computes, and that it finds the mistakes it says it finds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>
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

void Expect(const char* name, void (*kernel)(Data&), const char* wanted) {
  Data data;
  const char* const found = Run(kernel, data);
  const bool right = wanted == nullptr ? found == nullptr : found != nullptr && strncmp(found, wanted, strlen(wanted)) == 0;
  if (right) return;
  fprintf(stderr, "%s: expected %s, found %s\n", name, wanted == nullptr ? "nothing" : wanted, found == nullptr ? "nothing" : found);
  exit(1);
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

void NoBarrier(Data& data) {
  SHARED_ARRAY(int, seen, kThreads);
  seen[threadIdx.x] = data.in[threadIdx.x];
  data.out[threadIdx.x] = seen[(threadIdx.x + 1) % kThreads];
}

void BranchesWithBarriers(Data&) {
  if (threadIdx.x < 32) SyncThreads(); else SyncThreads();
}
void BarrierAfterTheEnd(Data&) {
  if (threadIdx.x == 0) return;
  SyncThreads();
}
void MaskOfTheEnded(Data&) {
  if (threadIdx.x % 32 == 3) return;
  SyncWarp(0xffff);
}
void MaskWithoutItself(Data&) { SyncWarp(0x0001); }
void MasksThatDiffer(Data&) {
  if (threadIdx.x < 16) SyncWarp(threadIdx.x == 0 ? 0x00ff : 0xffff);
}
void NobodyComes(Data&) {
  if (threadIdx.x == 0) {
    SyncWarp(0x0003);
  } else {
    SyncThreads();
  }
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
const uint32_t kNoLeft[4] = {}, kNoRight[2] = {};
void LaneThatIsMissing(Data&) {
  float c[4] = {};
  if (threadIdx.x < 31) {
    MultiplyFragments(kNoLeft, kNoRight, c);
  } else {
    SyncThreads();
  }
}
void ProductsOfTwoBranches(Data&) {
  float c[4] = {};
  if (threadIdx.x >= 32) return;
  if (threadIdx.x % 2 == 0) {
    MultiplyFragments(kNoLeft, kNoRight, c);
  } else {
    MultiplyFragments(kNoLeft, kNoRight, c);
  }
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

void TooMuchShared(Data&) {
  SHARED_ARRAY(char, all, 300000);
  all[0] = 0;
}

}  // namespace

int main() {
  Data data;
  for (unsigned t = 0; t < kThreads; t++) data.in[t] = static_cast<int>(t);
  if (Run(Reverse, data) != nullptr) return 1;
  for (unsigned t = 0; t < kThreads; t++) {
    if (data.out[t] != static_cast<int>(kThreads - 1 - t)) return fprintf(stderr, "a barrier does not hold\n"), 1;
  }
  if (Run(SumOfHalfWarp, data) != nullptr) return 1;
  for (unsigned t = 0; t < kThreads; t++) {
    if (data.out[t] != static_cast<int>(t / 16 * 16 * 16 + 120)) return fprintf(stderr, "the shuffles of thread %u are wrong: %d\n", t, data.out[t]), 1;
  }
  // In the order of the threads, or against it, somebody reads what nobody has written yet.
  if (Run(NoBarrier, data) != nullptr) return 1;
  bool right = true;
  for (unsigned t = 0; t < kThreads; t++) right = right && data.out[t] == static_cast<int>((t + 1) % kThreads);
  if (right) return fprintf(stderr, "a missing barrier goes unseen\n"), 1;

  if (!Rounds()) return fprintf(stderr, "bfloat16 is not rounded to nearest even\n"), 1;
  for (const bool swapped : {false, true}) {
    if (Run(swapped ? Fragments<true> : Fragments<false>, data) != nullptr) return 1;
    int wrong = 0;
    for (unsigned t = 0; t < 32; t++) wrong += data.out[t];
    if ((wrong != 0) != swapped) return fprintf(stderr, "fragments %s: %d outputs are wrong\n", swapped ? "in another layout" : "as documented", wrong), 1;
  }

  Expect("Reverse", Reverse, nullptr);
  Expect("BranchesWithBarriers", BranchesWithBarriers, "threads of a block wait at different barriers");
  Expect("BarrierAfterTheEnd", BarrierAfterTheEnd, "a barrier after some threads have ended");
  Expect("MaskOfTheEnded", MaskOfTheEnded, "a mask that names a lane which has ended");
  Expect("MaskWithoutItself", MaskWithoutItself, "a lane that its own mask leaves out");
  Expect("MasksThatDiffer", MasksThatDiffer, "lanes that disagree on their mask");
  Expect("NobodyComes", NobodyComes, "threads that wait for ever");
  Expect("LaneThatIsMissing", LaneThatIsMissing, "threads that wait for ever");
  Expect("ProductsOfTwoBranches", ProductsOfTwoBranches, "lanes of a warp meet at different instructions");
  Expect("TooMuchShared", TooMuchShared, "more shared memory than a block may have");
  Expect("Reverse after failures", Reverse, nullptr);
  printf("the stand-in computes, and finds what it should\n");
  return 0;
}
