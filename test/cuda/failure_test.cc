// A device that is full or lost, on the stand-in, which fails when asked to: each thread is told what became of its own call, and what the
// device still can do it does.
#include <stdlib.h>

#include <thread>

#include "../../native/cuda/context.h"
#include "../../native/cuda/ops/ops.h"
#include "../native/check.h"

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
}

}  // namespace

int main() {
  setenv("HYPERSPHERE_CUDA_DRIVER", HYPERSPHERE_SIMT, 1);
  setenv("HYPERSPHERE_SIMT_MEMORY", "1048576", 1);
  setenv("HYPERSPHERE_SIMT_FAIL", "3", 1);  // a product is one launch
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
  const char* const lost = "the device was lost: cuMemcpyDtoH: CUDA_ERROR_LAUNCH_FAILED";
  ExpectFailure(16, Status::kNoDevice, lost);
  std::thread([lost] { ExpectFailure(16, Status::kNoDevice, lost); }).join();
  CHECK(cuda::Context::Reason() == lost, "%s", cuda::Context::Reason().c_str());
  printf("a full device and a lost one are told to the thread that asked\n");
  return 0;
}
