// The stand-in itself: what it computes, also after a launch that failed. bugs_test.cc has the mistakes that it finds.
#include <stdio.h>

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
  printf("the stand-in computes\n");
  return 0;
}
