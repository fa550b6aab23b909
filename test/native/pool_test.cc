// The pool under everything it allows: many jobs, concurrent callers, nested calls, a changing thread count, cancelling.
// Meant to be run under ThreadSanitizer as well.
#include "../../native/threads/pool.h"

#include <thread>

#include "../../native/ops/ops.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

void EachBlockOnce(size_t blocks) {
  std::vector<int> runs(blocks);
  const auto count = [&](size_t block, int worker) {
    CHECK(worker >= 0 && worker < 256, "worker %d", worker);
    runs[block]++;
  };
  CHECK(ParallelFor(blocks, count, nullptr) == Status::kOk, "status");
  for (const int times : runs) CHECK(times == 1, "a block ran %d times", times);
}

// A worker's number is its own while a block runs: workspaces are told apart by it.
void OwnNumbers() {
  std::vector<int> busy(256);
  const auto hold = [&](size_t, int worker) {
    CHECK(busy[static_cast<size_t>(worker)]++ == 0, "worker %d twice", worker);
    for (volatile int i = 0; i < 300; i = i + 1) {
    }
    busy[static_cast<size_t>(worker)]--;
  };
  for (int round = 0; round < 50; round++) CHECK(ParallelFor(64, hold, nullptr, 4) == Status::kOk, "status");
}

void Nested() {
  std::atomic<int> inner{0};
  const auto outer = [&](size_t, int) { ParallelFor(5, [&](size_t, int) { inner.fetch_add(1); }, nullptr); };
  ParallelFor(7, outer, nullptr);
  CHECK(inner == 35, "%d inner blocks", inner.load());
}

void Cancelled() {
  std::atomic<bool> cancel{false};
  std::atomic<size_t> ran{0};
  const auto stop = [&](size_t, int) {
    if (ran.fetch_add(1) == 10) cancel = true;
  };
  CHECK(ParallelFor(100000, stop, &cancel) == Status::kAborted, "not cancelled");
  CHECK(ran < 1000, "%zu blocks after it", ran.load());
}

void ConcurrentCallers() {
  const std::vector<float> x = Normals(150 * 128, 1);
  std::vector<float> expected(150 * 150);
  Distances({x.data(), x.data(), expected.data(), 150, 150, 128, Metric::kEuclidean}, nullptr);
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int n = 1; !stop; n = n % 6 + 1) {
      SetThreads(n);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; t++) {
    callers.emplace_back([&] {
      for (int round = 0; round < 60; round++) {
        EachBlockOnce(1 + static_cast<size_t>(round) * 7 % 100);
        std::vector<float> out(150 * 150);
        CHECK(Distances({x.data(), x.data(), out.data(), 150, 150, 128, Metric::kEuclidean}, nullptr) == Status::kOk, "status");
        CHECK(SameBits(out, expected), "round %d", round);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  stop = true;
  changer.join();
}

// Shared norms over several depth blocks and runs of rows, then the mirrored triangle: every hand-over between threads.
void SharedWork() {
  const size_t n = 600, d = 800;
  const std::vector<float> x = Normals(n * d, 1);
  std::vector<float> one(n * n), many(n * n);
  SetThreads(1);
  Distances({x.data(), x.data(), one.data(), n, n, d, Metric::kEuclidean}, nullptr);
  SetThreads(4);
  Distances({x.data(), x.data(), many.data(), n, n, d, Metric::kEuclidean}, nullptr);
  CHECK(SameBits(one, many), "threads");
}

}  // namespace

int main() {
  SetThreads(0);
  CHECK(Threads() == 1, "at least one");
  for (const int threads : {1, 2, 3, 8}) {
    SetThreads(threads);
    for (int round = 0; round < 200; round++) EachBlockOnce(static_cast<size_t>(round) % 40);
    Nested();
    Cancelled();
  }
  OwnNumbers();
  ConcurrentCallers();
  SharedWork();
  return 0;
}
