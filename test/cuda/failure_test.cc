// A device that is full or lost, or a host that pins no memory, on the stand-in, which fails when asked to: each thread is told what became of its
// own call, and what the device still can do it does. Each device is a process of its own, as one that is lost stays so.
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "../../native/cuda/context.h"
#include "../../native/cuda/ops/ops.h"
#include "own_device.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

Status Product(size_t side, std::vector<float>& out) {
  const std::vector<float> ones(side, 1);
  out.assign(side * side, 7);
  return cuda::Matmul({ones.data(), ones.data(), out.data(), false, false, side, 1, side}, nullptr);
}

void ExpectFailure(size_t side, Status wanted, const char* words) {
  std::vector<float> out;
  const Status status = Product(side, out);
  CHECK(status == wanted, "status %d", static_cast<int>(status));
  CHECK(cuda::Context::Failure().find(words) == 0, "%s", cuda::Context::Failure().c_str());
  for (const float value : out) CHECK(value == 7, "written: %a", double(value));
}

void ExpectSuccess() {
  std::vector<float> out;
  const Status status = Product(16, out);
  CHECK(status == Status::kOk, "status %d: %s", static_cast<int>(status), cuda::Context::Failure().c_str());
  for (const float value : out) CHECK(value == 1, "%a", double(value));
}

// What an earlier call has left in memory that is kept is not there for the next one: a kernel that reads what nobody wrote has NaN.
void ExpectNothingLeft() {
  for (int turn = 0; turn < 2; turn++) {
    std::vector<float> numbers(10, 3), found(10, 3);
    cuda::Call call(nullptr);
    float* const memory = call.Allocate<float>(numbers.size());
    call.Download(found.data(), memory, found.size());
    CHECK(call.Finish() == Status::kOk, "%s", cuda::Context::Failure().c_str());
    for (const float value : found) CHECK(value != value, "found %a", double(value));
    call.Upload(memory, numbers.data(), numbers.size());
    CHECK(call.Finish() == Status::kOk, "%s", cuda::Context::Failure().c_str());
  }
}

// No kernel of ours says at its launch how much it shares: beyond what it got it would write what nobody looks at.
void ExpectNoSharedMemoryOfALaunch() {
  cuda::Driver driver;
  std::string reason;
  CHECK(cuda::LoadDriver(driver, reason), "%s", reason.c_str());
  void *module = nullptr, *kernel = nullptr;
  CHECK(driver.cuModuleLoadData(&module, ".target sm_75") == cuda::kSuccess, "no module");
  CHECK(driver.cuModuleGetFunction(&kernel, module, "multiply") == cuda::kSuccess, "no kernel");
  CHECK(driver.cuLaunchKernel(kernel, 1, 1, 1, 256, 1, 1, 4, nullptr, nullptr, nullptr) != cuda::kSuccess, "a launch with shared memory");
}

void ExpectTooLong(size_t side) {
  for (const MatmulOp& op : {MatmulOp{nullptr, nullptr, nullptr, false, false, side, 1, 1}, MatmulOp{nullptr, nullptr, nullptr, false, false, 1, 1, side}}) {
    CHECK(cuda::Matmul(op, nullptr) == Status::kDeviceOutOfMemory, "side %zu", side);
    CHECK(cuda::Context::Failure().find("a side of " + std::to_string(side)) == 0, "%s", cuda::Context::Failure().c_str());
  }
  CHECK(cuda::Distances({nullptr, nullptr, nullptr, 1, side, 1, Metric::kDot}, nullptr) == Status::kDeviceOutOfMemory, "side %zu", side);
  for (size_t MarginSoftmaxOp::*which : {&MarginSoftmaxOp::n, &MarginSoftmaxOp::d, &MarginSoftmaxOp::classes}) {
    MarginSoftmaxOp op{};
    op.n = op.d = op.classes = op.margin.k = 1;
    op.*which = side;
    CHECK(cuda::MarginSoftmax(op, nullptr) == Status::kDeviceOutOfMemory, "side %zu", side);
    CHECK(cuda::Context::Failure().find("a side of " + std::to_string(side)) == 0, "%s", cuda::Context::Failure().c_str());
  }
}

int FullAndLost() {
  ExpectNothingLeft();
  ExpectNoSharedMemoryOfALaunch();
  ExpectSuccess();
  ExpectFailure(600, Status::kDeviceOutOfMemory, "1441792 bytes asked for");
  std::thread([] { ExpectFailure(700, Status::kDeviceOutOfMemory, "1966080 bytes asked for"); }).join();
  CHECK(cuda::Context::Failure().find("1441792") == 0, "another thread's: %s", cuda::Context::Failure().c_str());
  ExpectTooLong(size_t{1} << 31);
  ExpectTooLong(size_t{1} << 40);
  ExpectSuccess();
  CHECK(cuda::Context::Reason().empty(), "%s", cuda::Context::Reason().c_str());
  const char* const lost = "the device was lost: cuStreamSynchronize: CUDA_ERROR_LAUNCH_FAILED";
  ExpectFailure(16, Status::kNoDevice, lost);
  std::thread([lost] { ExpectFailure(16, Status::kNoDevice, lost); }).join();
  CHECK(cuda::Context::Reason() == lost, "%s", cuda::Context::Reason().c_str());
  return 0;
}

// A call that another one's failure takes the device from is told so, though nothing of its own has failed.
int LostByAnother() {
  std::vector<float> numbers(8, 3), found(8, 7);
  const cuda::Resident object;
  cuda::Call call(nullptr, cuda::Precision::kReproducible, &object);
  const float* const there = call.Upload(numbers.data(), numbers.size());
  call.Download(found.data(), there, found.size());
  ExpectFailure(16, Status::kNoDevice, "the device was lost: ");
  CHECK(call.Finish() == Status::kNoDevice && found[0] == 7, "what was never done has worked");
  CHECK(cuda::Context::Failure() == cuda::Context::Reason(), "%s", cuda::Context::Failure().c_str());
  return 0;
}

// Blocks that are kept for the next call would be no allocations: a call whose first one is too large for the device makes it let go of all of them.
void LetGo() {
  static const std::vector<float> rows(1200 * 1200, 1);
  CHECK(cuda::Normalize({rows.data(), nullptr, 1200, 1200, 1e-12}, nullptr) == Status::kDeviceOutOfMemory, "rows that fit");
}

// Each allocation of each op fails once: the error has sizes, nothing is written, and the next call is right to the bit.
int EveryAllocation() {
  size_t failed = 0;
  for (const Op& op : EveryOp()) {
    const std::vector<double> expected = Expected(op);
    size_t which = 1;
    for (;; which++) {
      LetGo();
      setenv("HYPERSPHERE_SIMT_FULL", std::to_string(which).c_str(), 1);
      Results results;
      const Status status = op.run(true, results);
      unsetenv("HYPERSPHERE_SIMT_FULL");
      if (status == Status::kOk) {
        CHECK(SameNumbers(results.All(), expected), "%s, allocation %zu: other bits", op.name.c_str(), which);
        break;
      }
      CHECK(status == Status::kDeviceOutOfMemory, "%s, allocation %zu: status %d", op.name.c_str(), which, static_cast<int>(status));
      CHECK(cuda::Context::Failure().find("65536 bytes asked for, ") == 0, "%s: %s", op.name.c_str(), cuda::Context::Failure().c_str());
      CHECK(results.Untouched(), "%s, allocation %zu: something is written", op.name.c_str(), which);
      if (which % 3 != 1) continue;  // what takes the time
      Results after;
      Succeed(op.run(true, after));
      CHECK(SameNumbers(after.All(), expected), "%s, after allocation %zu: other bits", op.name.c_str(), which);
    }
    CHECK(which > 2, "%s allocates nothing", op.name.c_str());
    failed += which - 1;
  }
  CHECK(cuda::Context::Reason().empty(), "%s", cuda::Context::Reason().c_str());
  printf("%zu allocations of %zu ops failed\n", failed, EveryOp().size());
  return 0;
}

void ExpectAllFree() {
  LetGo();
  CHECK(cuda::Context::Failure() == "5767168 bytes asked for, 4194304 of 4194304 free", "%s", cuda::Context::Failure().c_str());
}

// The second phase of a shard has the memory that its first one took, whatever other threads do in between; nobody else has it until then.
int Held() {
  const std::vector<float> x = Normals(30, 1), weights = Normals(1500, 2);
  const std::vector<int32_t> labels = {0, 299, 3, kElsewhere, 5, kIgnored};
  std::vector<float> per_example(6), grad_x(30), grad_weights(1500), expected_x(30), expected_weights(1500);
  std::vector<double> result(4), statistics(6 * kStatistics);
  MarginSoftmaxOp op{};
  op.x = x.data();
  op.weights = const_cast<float*>(weights.data());
  op.labels = labels.data();
  op.per_example = per_example.data();
  op.grad_x = grad_x.data();
  op.grad_weights = grad_weights.data();
  op.result = result.data();
  op.statistics = statistics.data();
  op.n = 6;
  op.d = 5;
  op.classes = op.all_classes = 300;
  op.margin.scale = op.margin.k = 1;
  const auto phase = [&](Phase of, bool device) {
    op.phase = of;
    return device ? cuda::MarginSoftmax(op, nullptr) : MarginSoftmax(op, nullptr);
  };
  // Alone, and left after its first phase.
  Succeed(phase(Phase::kForward, true));
  ExpectAllFree();
  Succeed(phase(Phase::kForward, true));
  std::thread([] {
    LetGo();
    CHECK(cuda::Context::Failure().find("5767168 bytes asked for, 4194304 of") == std::string::npos, "what is held was free");
  }).join();
  for (size_t i = 0; i < 6; i++) {
    double* const row = statistics.data() + i * kStatistics;
    if (row[kTargetStatistic] != row[kTargetStatistic]) row[kTargetStatistic] = row[kMaxStatistic] - 0.25;
  }
  setenv("HYPERSPHERE_SIMT_FULL", "1", 1);
  Succeed(phase(Phase::kBackward, true));
  unsetenv("HYPERSPHERE_SIMT_FULL");
  grad_x.swap(expected_x);
  grad_weights.swap(expected_weights);
  op.grad_x = grad_x.data();
  op.grad_weights = grad_weights.data();
  Succeed(phase(Phase::kBackward, false));
  CHECK(SameBits(grad_x, expected_x) && SameBits(grad_weights, expected_weights), "other bits than the CPU's");
  ExpectAllFree();
  return 0;
}

// What stays on the device has a stream of its own: its calls go on while another call has that of calls without an object.
int OwnStreams() {
  const std::vector<float> numbers(1000, 3);
  std::vector<float> found(1000, 7);
  cuda::Call other(nullptr);
  float* const there = other.Upload(numbers.data(), numbers.size());
  std::atomic<bool> done{false};
  std::thread others([&] {
    for (const Op& op : EveryOp()) {
      if (op.kind == Kind::kStays) Expected(op);
    }
    done = true;
  });
  for (int wait = 0; !done; wait++) {
    CHECK(wait < 6000, "an op waits for a stream that is not its own");
    usleep(10000);
  }
  others.join();
  other.Download(found.data(), there, found.size());
  Succeed(other.Finish());
  CHECK(found == numbers, "other numbers");
  return 0;
}

// And the stream goes with it, like its memory.
int FewStreams() {
  for (int turn = 0; turn < 2; turn++) {
    for (const Op& op : EveryOp()) Expected(op);
  }
  return 0;
}
int NoStream() {
  size_t refused = 0;
  for (const Op& op : EveryOp()) {
    if (op.kind != Kind::kStays) {
      Expected(op);
      continue;
    }
    Results results;
    CHECK(op.run(true, results) == Status::kDeviceOutOfMemory && results.Untouched(), "%s without a stream", op.name.c_str());
    refused++;
  }
  CHECK(refused > 5, "%zu", refused);
  return 0;
}

// A host that pins nothing copies as it can.
int Pageable() {
  for (const Op& op : EveryOp()) Expected(op);
  return 0;
}

constexpr int kWorked = 10, kLost = 11;

// Rows of the host that an op moves are as they were, or moved, all of them.
int Whole(const Op& op) {
  Results cpu, device;
  Succeed(op.run(false, cpu));
  const Status status = op.run(true, device);
  CHECK(status == Status::kOk || status == Status::kNoDevice, "%s: status %d", op.name.c_str(), static_cast<int>(status));
  if (status == Status::kNoDevice) {
    CHECK(!device.AnyMoved(), "%s: %s, and rows have moved", op.name.c_str(), cuda::Context::Reason().c_str());
    return kLost;
  }
  CHECK(SameNumbers(cpu.All(), device.All()), "%s: other bits than the CPU's", op.name.c_str());
  return kWorked;
}

// Of a step in waves: so many of the first rows have moved, with their state.
int InWaves(const Op& op) {
  Results cpu, device, untouched;
  Succeed(op.run(false, cpu));
  const Status status = op.run(true, device);
  constexpr size_t kRow = 5;
  const std::vector<double> after = cpu.AllMoved(), found = device.AllMoved();
  const size_t half = found.size() / 2;
  const auto moved = [&](size_t row, size_t of) { return memcmp(&found[of + row * kRow], &after[of + row * kRow], kRow * sizeof(double)) == 0; };
  size_t rows = 0;
  while (rows < half / kRow && moved(rows, 0)) rows++;
  for (size_t row = 0; row < half / kRow; row++) {
    CHECK(moved(row, 0) == (row < rows) && moved(row, half) == (row < rows), "row %zu of %zu that have moved", row, rows);
  }
  CHECK((status == Status::kOk) == (rows == half / kRow), "status %d and %zu rows", static_cast<int>(status), rows);
  return status == Status::kOk ? kWorked : kLost;
}

// The device is lost at each call of its driver in turn, until there is one too few. Returns how many there were.
int LoseAtEveryCall(const std::function<int()>& run) {
  for (int which = 1;; which++) {
    const int end = OnDevice({{"LOSE", std::to_string(which)}}, run);
    if (end == kWorked) return which - 1;
    CHECK(end == kLost, "call %d", which);
  }
}

}  // namespace

int main() {
  setenv("HYPERSPHERE_CUDA_DRIVER", HYPERSPHERE_SIMT, 1);
  CHECK(OnDevice({{"MEMORY", "1048576"}, {"FAIL", "3"}}, FullAndLost) == 0, "a device that is full, and then lost");  // a product is one launch
  CHECK(OnDevice({{"FAIL", "1"}}, LostByAnother) == 0, "a device that another call lost");
  CHECK(OnDevice({{"MEMORY", "4194304"}}, EveryAllocation) == 0, "a device that is full at any moment");
  CHECK(OnDevice({{"MEMORY", "4194304"}}, Held) == 0, "memory that a shard holds");
  CHECK(OnDevice({}, OwnStreams) == 0, "streams");
  CHECK(OnDevice({{"STREAMS", "2"}}, FewStreams) == 0, "a stream for what stays and one for what does not");
  CHECK(OnDevice({{"STREAMS", "1"}}, NoStream) == 0, "no stream for what stays");
  CHECK(OnDevice({{"PINNED", "0"}}, Pageable) == 0, "a host that pins nothing");
  int lost = 0;
  for (const Op& op : EveryOp()) {
    if (op.kind != Kind::kMoves) continue;
    const int calls = LoseAtEveryCall([&op] { return Whole(op); });
    CHECK(calls > 10, "%s: %d calls", op.name.c_str(), calls);
    lost += calls;
  }
  for (const Op& op : EveryOp()) {
    if (op.kind == Kind::kMovesInWaves) lost += LoseAtEveryCall([&op] { return InWaves(op); });
  }
  printf("a full device and a lost one, lost at each of %d calls, are told to the thread that asked\n", lost);
  return 0;
}
