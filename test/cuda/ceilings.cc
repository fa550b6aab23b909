#include "ceilings.h"

#include <math.h>

#include <string>

#include "../../native/cuda/ceilings/ptx.h"
#include "../../native/cuda/driver.h"
#include "../native/check.h"
#include "seconds.h"

namespace hypersphere::test {
namespace {

using cuda::Address;

constexpr unsigned kThreads = 256, kChains = 8;
constexpr size_t kQuad = 16;

// The module beside the addon's, in the same context of the device.
class Module {
 public:
  Module() {
    std::string reason;
    CHECK(cuda::LoadDriver(driver_, reason), "%s", reason.c_str());
    int device = 0;
    void *context = nullptr, *module = nullptr;
    Check(driver_.cuInit(0));
    Check(driver_.cuDeviceGet(&device, 0));
    Check(driver_.cuDevicePrimaryCtxRetain(&context, device));
    Check(driver_.cuCtxSetCurrent(context));
    Check(driver_.cuStreamCreate(&stream_, 0));
    std::string ptx;
    CHECK(cuda::Unpack(cuda::kCeilingsPtx, ptx), "the ceilings' PTX is damaged");
    Check(driver_.cuModuleLoadData(&module, ptx.c_str()));
    Check(driver_.cuModuleGetFunction(&copy_, module, "copy_ceiling"));
    Check(driver_.cuModuleGetFunction(&fma_, module, "fma_ceiling"));
  }

  Address Allocate(size_t bytes) {
    Address address = 0;
    Check(driver_.cuMemAlloc_v2(&address, bytes));
    return address;
  }
  void Free(Address address) { Check(driver_.cuMemFree_v2(address)); }
  void Upload(Address to, const void* from, size_t bytes) { Check(driver_.cuMemcpyHtoDAsync_v2(to, from, bytes, stream_)); }
  void Download(void* to, Address from, size_t bytes) {
    Check(driver_.cuMemcpyDtoHAsync_v2(to, from, bytes, stream_));
    Wait();
  }
  void Copy(Address from, Address to, size_t quads) {
    void* arguments[] = {&from, &to, &quads};
    Launch(copy_, (quads + kThreads - 1) / kThreads, arguments);
  }
  void MultiplyAdd(float factor, float addend, unsigned steps, Address out, size_t blocks) {
    void* arguments[] = {&factor, &addend, &steps, &out};
    Launch(fma_, blocks, arguments);
  }
  void Wait() { Check(driver_.cuStreamSynchronize(stream_)); }

 private:
  void Launch(void* function, size_t blocks, void** arguments) {
    Check(driver_.cuLaunchKernel(function, static_cast<unsigned>(blocks), 1, 1, kThreads, 1, 1, 0, stream_, arguments, nullptr));
  }
  void Check(cuda::Result result) {
    const char* name = nullptr;
    if (result != cuda::kSuccess) driver_.cuGetErrorName(result, &name);
    CHECK(result == cuda::kSuccess, "%s", name == nullptr ? "an unknown error" : name);
  }

  cuda::Driver driver_;
  void *stream_ = nullptr, *copy_ = nullptr, *fma_ = nullptr;
};

}  // namespace

void TestCeilings() {
  Module module;
  constexpr size_t kQuads = 300;  // a block and a part of one
  const std::vector<float> numbers = Normals(kQuads * 4, 1);
  std::vector<float> copied(numbers.size());
  const Address from = module.Allocate(kQuads * kQuad), to = module.Allocate(kQuads * kQuad);
  module.Upload(from, numbers.data(), kQuads * kQuad);
  module.Copy(from, to, kQuads);
  module.Download(copied.data(), to, kQuads * kQuad);
  CHECK(SameBits(copied, numbers), "the copy is another");
  constexpr unsigned kSteps = 37;
  const float factor = 0.75f, addend = 0.3f;
  float wanted = 0;
  for (unsigned j = 0; j < kChains; j++) {
    float chain = static_cast<float>(j);
    for (unsigned s = 0; s < kSteps; s++) chain = fmaf(chain, factor, addend);
    wanted += chain;
  }
  std::vector<float> sums(kThreads * 2);
  module.MultiplyAdd(factor, addend, kSteps, to, 2);
  module.Download(sums.data(), to, sums.size() * sizeof(float));
  for (const float sum : sums) CHECK(sum == wanted, "%a instead of %a", double(sum), double(wanted));
  module.Free(from);
  module.Free(to);
}

Ceilings MeasureCeilings() {
  Module module;
  // Beyond every cache, and as many blocks as keep every processor busy for long.
  constexpr size_t kBytes = size_t{1} << 30, kBlocks = 8192;
  constexpr unsigned kSteps = 4096;
  const Address from = module.Allocate(kBytes), to = module.Allocate(kBytes);
  const auto wait = [&] { module.Wait(); };
  const double copy = LeastSeconds([&] { module.Copy(from, to, kBytes / kQuad); }, wait);
  const double fma = LeastSeconds([&] { module.MultiplyAdd(0.75f, 0.3f, kSteps, to, kBlocks); }, wait);
  module.Free(from);
  module.Free(to);
  return {2.0 * kBytes / copy, 2.0 * kBlocks * kThreads * kChains * kSteps / fma};
}

}  // namespace hypersphere::test
