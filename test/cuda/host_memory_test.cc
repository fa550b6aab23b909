// A host without memory: each allocation fails once, of each op of the device and of what opens the driver. The op answers as ever, where it can do
// without, or says so and has written nothing; the next one answers as ever, and no memory of the device is lost.
#include <stdlib.h>

#include <new>

#include "../../native/ops/workspace.h"
#include "../native/calls/allocations.h"
#include "own_device.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

constexpr Status kOwn = static_cast<Status>(-1);  // the test's own arrays had no memory

Status RunFailing(const Op& op, size_t which, Results& results, Failed& failed) {
  Workspace::Keep(0);
  FailAllocation(static_cast<int>(which));
  Status status = kOwn;
  try {
    status = op.run(true, results);
  } catch (const std::bad_alloc&) {
  }
  failed = Disarm();
  return status;
}

// Returns how many failures an op has told.
size_t Refused(const Op& op) {
  const std::vector<double> expected = Expected(op);
  size_t refused = 0;
  for (size_t which = 1;; which++) {
    Failed failed;
    Results results;
    const Status status = RunFailing(op, which, results, failed);
    if (status == Status::kOk) CHECK(SameNumbers(results.All(), expected), "%s, allocation %zu: other bits", op.name.c_str(), which);
    if (failed == Failed::kNothing) return refused;
    if (status == Status::kOk || status == kOwn) continue;
    CHECK(status == Status::kOutOfMemory, "%s, allocation %zu: status %d", op.name.c_str(), which, static_cast<int>(status));
    CHECK(results.Untouched(), "%s, allocation %zu: something is written", op.name.c_str(), which);
    if (refused++ % 3 != 0) continue;  // what takes the time
    Results after;
    Succeed(op.run(true, after));
    CHECK(SameNumbers(after.All(), expected), "%s, after allocation %zu: other bits", op.name.c_str(), which);
  }
}

// Of the memory, 4 MiB, all is the device's again when it lets go of what it keeps: nothing is forgotten on a way out.
int EveryOpOnce() {
  size_t refused = 0;
  for (const Op& op : EveryOp()) {
    const size_t of = Refused(op);
    CHECK(of > 0, "%s takes no memory of the host", op.name.c_str());
    refused += of;
  }
  const std::vector<float> rows(1200 * 1200, 1);
  CHECK(cuda::Normalize({rows.data(), nullptr, 1200, 1200, 1e-12}, nullptr) == Status::kDeviceOutOfMemory, "rows that fit");
  CHECK(cuda::Context::Failure() == "5767168 bytes asked for, 4194304 of 4194304 free", "%s", cuda::Context::Failure().c_str());
  CHECK(cuda::Context::Reason().empty(), "%s", cuda::Context::Reason().c_str());
  printf("%zu times an op of %zu was told that the host has no memory\n", refused, EveryOp().size());
  return 0;
}

constexpr int kRefused = 10, kDone = 11;

// The driver is opened by an op, and by the next one where that one could not.
int Opens(size_t which) {
  const std::vector<float> ones(16, 1);
  std::vector<float> out(256, 7), next(256, 7);
  const MatmulOp op{ones.data(), ones.data(), out.data(), false, false, 16, 1, 16};
  FailAllocation(static_cast<int>(which));
  const Status status = cuda::Matmul(op, nullptr);
  const Failed failed = Disarm();
  const bool refused = status == Status::kOutOfMemory;
  CHECK(refused || status == Status::kOk, "allocation %zu: status %d", which, static_cast<int>(status));
  CHECK(cuda::Context::Reason().empty(), "%s", cuda::Context::Reason().c_str());
  for (const float value : out) CHECK(value == (refused ? 7 : 1), "allocation %zu: %a", which, double(value));
  Succeed(cuda::Matmul({ones.data(), ones.data(), next.data(), false, false, 16, 1, 16}, nullptr));
  for (const float value : next) CHECK(value == 1, "after allocation %zu: %a", which, double(value));
  return failed == Failed::kNothing ? kDone : refused ? kRefused : 0;
}

}  // namespace

int main() {
  setenv("HYPERSPHERE_CUDA_DRIVER", HYPERSPHERE_SIMT, 1);
  int refused = 0;
  for (size_t which = 1;; which++) {
    const int end = OnDevice({}, [&] { return Opens(which); });
    if (end == kDone) break;
    CHECK(end == 0 || end == kRefused, "a driver that is opened without memory, allocation %zu: %d", which, end);
    refused += end == kRefused ? 1 : 0;
  }
  CHECK(refused > 2, "%d", refused);
  printf("%d times a driver was not opened for lack of memory, and then was\n", refused);
  CHECK(OnDevice({{"MEMORY", "4194304"}}, EveryOpOnce) == 0, "a host that is full at any moment");
  return 0;
}
