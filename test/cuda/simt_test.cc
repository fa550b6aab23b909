// The stand-in itself: what it computes, and that it finds the mistakes it says it finds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

#include "../../native/cuda/simt/simt.h"

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

  Expect("Reverse", Reverse, nullptr);
  Expect("BranchesWithBarriers", BranchesWithBarriers, "threads of a block wait at different barriers");
  Expect("BarrierAfterTheEnd", BarrierAfterTheEnd, "a barrier after some threads have ended");
  Expect("MaskOfTheEnded", MaskOfTheEnded, "a mask that names a lane which has ended");
  Expect("MaskWithoutItself", MaskWithoutItself, "a lane that its own mask leaves out");
  Expect("MasksThatDiffer", MasksThatDiffer, "lanes that disagree on their mask");
  Expect("NobodyComes", NobodyComes, "threads that wait for ever");
  Expect("TooMuchShared", TooMuchShared, "more shared memory than a block may have");
  Expect("Reverse after failures", Reverse, nullptr);
  printf("the stand-in computes, and finds what it should\n");
  return 0;
}
