// Every allocation of every op fails once, on arguments drawn from fixed seeds: a status, nothing written, and a process that goes on. LeakSanitizer
// sees what a way out forgets.
#include <stdio.h>

#include "../../native/ops/ops.h"
#include "calls/checks.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

constexpr uint32_t kSeeds = 8;

std::vector<uint8_t> BytesOf(uint32_t seed) {
  Random random(seed);
  std::vector<uint8_t> bytes(512);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next() >> 24);
  return bytes;
}

int Drawn(const Callable& what, uint32_t seed) {
  const std::vector<uint8_t> bytes = BytesOf(seed);
  Source from(bytes.data(), bytes.size());
  Call call(from);
  what.build(call, what.choice);
  return CheckAllocations(what, call);
}

// More proxies than one block has: what is allocated for the second must not fail behind the first one's results.
void ManyBlocks() {
  Source none(nullptr, 0);
  Call call(none);
  const size_t d = 65536, classes = 24;
  ProxyAnchorOp op{};
  op.n = 1;
  op.d = d;
  op.classes = classes;
  op.margin = 0.1;
  op.alpha = 32;
  op.x = call.Given(Normals(d, 1));
  op.proxies = call.Given(Normals(classes * d, 2));
  op.labels = call.Given(std::vector<int32_t>{3});
  op.loss = call.Result<double>(1);
  op.grad_x = call.Result<float>(d);
  op.grad_proxies = call.Result<float>(classes * d);
  call.run = [op](const std::atomic<bool>* cancel) { return ProxyAnchor(op, cancel); };
  CHECK(CheckAllocations({"proxyAnchor in blocks", nullptr, 0}, call) > 0, "no allocation");
}

// A pool that cannot start a thread works without, and has it the next time.
void StartThreads() {
  for (int threads = 2; threads < 6; threads++) {
    for (const bool fails : {true, false}) {
      std::vector<int> runs(64);
      if (fails) FailAllocation(1);
      const Status status = ParallelFor(runs.size(), [&](size_t block, int) { runs[block]++; }, nullptr, threads);
      const Failed failed = Disarm();
      CHECK(status == Status::kOk && failed == (fails ? Failed::kObject : Failed::kNothing), "%d threads: %d", threads, static_cast<int>(failed));
      for (const int times : runs) CHECK(times == 1, "a block ran %d times", times);
    }
  }
}

}  // namespace

int main() {
  StartThreads();
  SetThreads(2);
  int failed = 0, calls = 0;
  for (const Group& group : Groups()) {
    for (const Callable& what : group.calls) {
      for (uint32_t seed = 0; seed < kSeeds; seed++, calls++) failed += Drawn(what, seed);
    }
  }
  ManyBlocks();
  printf("allocations: %d failed in %d calls\n", failed, calls);
}
