// cuda_tests [SECTION …], or `sections` for their names: every op of the device against the CPU's bits, without Node, on the driver that HYPERSPHERE_CUDA_DRIVER names
// (libcuda.so.1 for a real one) or, without it, on the stand-in. The section `times` says how long ops take on a real device.
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

struct Section {
  const char* name;
  void (*run)();
};

constexpr Section kSections[] = {
    {"kernels", TestKernels}, {"nearest", TestNeighbours}, {"centers", TestCentersOfClasses}, {"softmax", TestSoftmaxes}, {"heads", TestHeads},
    {"triplets", TestTriplets}, {"row-losses", TestRowLosses}, {"proxies", TestProxies}, {"fast", TestFast}, {"streams", TestStreams},
};

constexpr const char *kTimes = "times", *kSmallHeads = "small-heads";  // of "heads", and only when named

bool Chosen(const char* name, int count, char** names) {
  for (int i = 1; i < count; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return count == 1;
}

}  // namespace

int main(int count, char** names) {
  if (count == 2 && strcmp(names[1], "sections") == 0) {
    for (const Section& section : kSections) printf("%s\n", section.name);
    printf("%s\n", kSmallHeads);
    return 0;
  }
  for (int i = 1; i < count; i++) {
    bool known = strcmp(names[i], kTimes) == 0 || strcmp(names[i], kSmallHeads) == 0;
    for (const Section& section : kSections) known = known || strcmp(names[i], section.name) == 0;
    CHECK(known, "there is no section %s", names[i]);
  }
  setenv("HYPERSPHERE_CUDA_DRIVER", HYPERSPHERE_SIMT, 0);
  const cuda::Context* const device = cuda::Context::Get();
  CHECK(device != nullptr, "%s", cuda::Context::Reason().c_str());
  CHECK(!FusedLevels().empty(), "this CPU has no fused multiply-add to compare with");
  printf("%s (driver %d)\n", device->Name().c_str(), device->DriverVersion());
  for (const Section& section : kSections) {
    if (Chosen(section.name, count, names)) section.run();
  }
  if (count > 1 && Chosen(kSmallHeads, count, names)) TestSmallHeads();
  if (Chosen(kTimes, count, names)) {
    TimeOps(device->Simulated());
    if (device->Simulated()) printf("times: what runs on the stand-in says nothing about a device, so none is given\n");
  }
  size_t wrong = 0;
  for (const auto& [op, tally] : Tallies()) {
    wrong += tally.wrong;
    printf("%s %s: %zu of %zu cases, %zu numbers, have the CPU's bits\n", tally.wrong == 0 ? "right" : "WRONG", op.c_str(), tally.cases - tally.wrong, tally.cases,
           tally.numbers);
  }
  return wrong == 0 ? 0 : 1;
}
