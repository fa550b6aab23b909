// The fuzz target: bytes choose an op and draw its arguments (test/native/calls); then holds whatever holds for every call. For libFuzzer, and
// for replay.cc where there is none.
#include <stdio.h>

#include "../../../native/ops/blocks.h"
#include "../../native/calls/checks.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

size_t inputs = 0, calls = 0;

void Report() { printf("%zu inputs, %zu native calls\n", inputs, calls); }

}  // namespace

// What malloc gives is full of NaN, so that an element read before it is written shows in the bits.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() { return "malloc_fill_byte=255:max_malloc_fill_size=16777216"; }

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (inputs++ == 0) {
    atexit(Report);
    fewest_operations = 4096;
  }
  Source from(data, size);
  const Group& group = Groups()[from.Byte() % Groups().size()];
  const Callable& what = group.calls[from.Byte() % group.calls.size()];
  const uint32_t more = from.Byte() % 8;
  Call call(from);
  what.build(call, what.choice);
  calls += CheckEverywhere(what, call);
  if (more == 1) CheckCancelled(what, call);
  if (more == 2) calls += static_cast<size_t>(CheckAllocations(what, call));
  Workspace::Keep(kKept);
  return 0;
}
