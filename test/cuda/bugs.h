// Kernels with one mistake each, beside the same kernel without it: what the stand-in must find, and what it must leave in peace. Two blocks of a
// warp and a half. Every thread writes its own `out`, unless that is the mistake.
#pragma once

#include "../../native/cuda/simt/tensor.h"

namespace hypersphere::test {

constexpr unsigned kThreads = 48, kBlocks = 2, kNumbers = kThreads * kBlocks;

struct Data {
  const float* in;   // [kNumbers]
  float* out;        // [kNumbers]
  float* scratch;    // [kNumbers], never written by the host
  unsigned* counts;  // [kBlocks + 1], 0
};

inline unsigned Thread() { return threadIdx.x; }
inline unsigned Number() { return blockIdx.x * kThreads + threadIdx.x; }
inline uint32_t HalfWarp() { return 0xffffu << (threadIdx.x & 16); }

template <bool kBug>
void ReadsBeyondAnArray(const Data& data) {
  data.out[Number()] = data.in[kBug ? Number() + 1 : Number()];
}

template <bool kBug>
void ReadsBeforeAnArray(const Data& data) {
  data.out[Number()] = *(data.in + Number() - (kBug ? 1 : 0));
}

template <bool kBug>
void WritesBeyondAnArray(const Data& data) {
  data.out[Number()] = 1;
  if (kBug && Number() == kNumbers - 1) data.scratch[kNumbers] = 1;
}

template <bool kBug>
void ReadsBeyondShared(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  seen[Thread()] = data.in[Number()];
  SyncThreads();
  data.out[Number()] = seen[kBug ? Thread() + 1 : Thread()];
}

template <bool kBug>
void WritesBeyondShared(const Data& data) {
  SHARED_ARRAY(float, first, kThreads);
  SHARED_ARRAY(float, second, kThreads);
  first[kBug ? Thread() + kThreads : Thread()] = 1;
  second[Thread()] = 2;
  SyncThreads();
  data.out[Number()] = second[Thread()];
}

template <bool kBug>
void ReadsBeforeItIsWritten(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  seen[Thread()] = data.in[Number()];
  if (!kBug) SyncThreads();
  data.out[Number()] = seen[kThreads - 1 - Thread()];
}

template <bool kBug>
void WritesBeforeItIsRead(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  float sum = 0;
  for (unsigned k = 0; k < 2; k++) {
    seen[Thread()] = data.in[Number()] + static_cast<float>(k);
    SyncThreads();
    sum += seen[(Thread() + 1) % kThreads];
    if (!kBug) SyncThreads();
  }
  data.out[Number()] = sum;
}

// Lanes wait for each other, but a shuffle orders no memory.
template <bool kBug>
void TakesAShuffleForABarrier(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  seen[Thread()] = data.in[Number()];
  if (kBug) {
    ShuffleXor(HalfWarp(), 0, 1);
  } else {
    SyncWarp(HalfWarp());
  }
  data.out[Number()] = seen[Thread() ^ 1];
}

// Two shuffles: in the first of them every warp waits for the others' turns, unless a warp goes on as long as it can.
template <bool kBug>
void TakesWarpsToKeepStep(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  seen[Thread()] = data.in[Number()];
  if (kBug) {
    for (int k = 0; k < 2; k++) ShuffleXor(HalfWarp(), 0, 1);
  } else {
    SyncThreads();
  }
  data.out[Number()] = seen[kThreads - 1 - Thread()];
}

template <bool kBug>
void CountsInABlockWithoutAtomics(const Data& data) {
  SHARED_ARRAY(unsigned, count, 1);
  if (Thread() == 0) *count = 0;
  SyncThreads();
  if (kBug) {
    ++*count;
  } else {
    AtomicAdd(count, 1);
  }
  SyncThreads();
  data.out[Number()] = static_cast<float>(*count);
}

template <bool kBug>
void CountsAcrossBlocksWithoutAtomics(const Data& data) {
  if (kBug) {
    ++data.counts[0];
  } else {
    AtomicAdd(data.counts, 1);
  }
  data.out[Number()] = 1;
}

template <bool kBug>
void BlocksWriteOnePlace(const Data& data) {
  data.out[kBug ? Thread() : Number()] = data.in[Number()];
  if (kBug) data.out[kThreads + Thread()] = 0;
}

// After a barrier, but other blocks do not wait there.
template <bool kBug>
void ReadsAnotherBlock(const Data& data) {
  data.scratch[Number()] = data.in[Number()];
  SyncThreads();
  data.out[Number()] = data.scratch[(kBug ? 0 : blockIdx.x * kThreads) + (Thread() + 1) % kThreads];
}

template <bool kBug>
void BarriersOfTwoBranches(const Data& data) {
  data.out[Number()] = 1;
  if (!kBug) return SyncThreads();
  if (Thread() < 32) SyncThreads(); else SyncThreads();
}

template <bool kBug>
void BarrierAfterTheEnd(const Data& data) {
  data.out[Number()] = 1;
  if (kBug && Thread() == 0) return;
  SyncThreads();
}

template <bool kBug>
void BarrierOnceTooOften(const Data& data) {
  data.out[Number()] = 1;
  for (unsigned k = 0; k < (kBug && Thread() == 5 ? 3 : 2); k++) SyncThreads();
}

template <bool kBug>
void MaskOfTheEnded(const Data& data) {
  data.out[Number()] = 1;
  if (Thread() % 32 == 3) return;
  SyncWarp(kBug ? HalfWarp() : HalfWarp() & ~0x8u);
}

// The second warp is half a warp.
template <bool kBug>
void VoteOfLanesThatAreNot(const Data& data) {
  data.out[Number()] = static_cast<float>(Ballot(kBug || Thread() < 32 ? 0xffffffff : 0xffff, true));
}

template <bool kBug>
void MaskWithoutItself(const Data& data) {
  data.out[Number()] = ShuffleXor(kBug && Thread() % 32 == 1 ? 0x0001u : HalfWarp(), 1.0f, 1);
}

template <bool kBug>
void MasksThatDiffer(const Data& data) {
  data.out[Number()] = 1;
  if (Thread() < 16) SyncWarp(kBug && Thread() == 0 ? 0x00ff : 0xffff);
}

template <bool kBug>
void ShuffleFromOutsideOfTheMask(const Data& data) {
  const int lane = static_cast<int>(Thread() & 16);
  data.out[Number()] = Shuffle(HalfWarp(), data.in[Number()], kBug ? lane ^ 16 : lane);
}

template <bool kBug>
void ShuffleAndVoteMeet(const Data& data) {
  data.out[Number()] = 1;
  if (kBug && Thread() % 16 == 2) {
    Ballot(HalfWarp(), true);
  } else {
    ShuffleXor(HalfWarp(), 1.0f, 1);
  }
}

template <bool kBug>
void LanesThatNobodyMeets(const Data& data) {
  data.out[Number()] = 1;
  if (Thread() == 0) SyncWarp(kBug ? 0x0003 : 0x0001);
  SyncThreads();
}

// `scratch` has been handed out, written and given back before.
template <bool kBug>
void ReadsWhatNobodyWrote(const Data& data) {
  if (!kBug) data.scratch[Number()] = 2;
  data.out[Number()] = data.scratch[Number()] + 1;
}

template <bool kBug>
void ReadsSharedThatNobodyWrote(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  if (!kBug || Thread() != 7) seen[Thread()] = 2;
  SyncThreads();
  data.out[Number()] = seen[Thread()];
}

template <bool kBug>
void ReadsWhatTheBlockBeforeShared(const Data& data) {
  SHARED_ARRAY(float, seen, kThreads);
  if (!kBug || Number() < kThreads) seen[Thread()] = 2;
  SyncThreads();
  data.out[Number()] = seen[Thread()];
}

template <bool kBug>
void MoreSharedThanThereIs(const Data& data) {
  SHARED_ARRAY(char, all, kBug ? 300000 : 200000);
  if (Thread() == 0) all[0] = 0;
  data.out[Number()] = 1;
}

// A warp's product that one of its lanes does not take part in.
template <bool kBug>
void LaneThatIsMissing(const Data& data) {
  const uint32_t left[4] = {}, right[2] = {};
  float c[4] = {};
  if (threadIdx.x < (kBug ? 31 : 32)) MultiplyFragments(left, right, c);
  SyncThreads();
  data.out[Number()] = c[0];
}

template <bool kBug>
void ProductsOfTwoBranches(const Data& data) {
  const uint32_t left[4] = {}, right[2] = {};
  float c[4] = {};
  if (threadIdx.x < 32) {
    if (kBug && threadIdx.x % 2 == 0) {
      MultiplyFragments(left, right, c);
    } else {
      MultiplyFragments(left, right, c);
    }
  }
  data.out[Number()] = c[0];
}

}  // namespace hypersphere::test
