// The stand-in's streams and page-locked memory: a wait that is missing shows in the bits, and one that is there is enough.
#include <stdlib.h>

#include "../../native/cuda/driver.h"
#include "../native/check.h"

using namespace hypersphere;
using cuda::Address;

namespace {

constexpr cuda::Result kInvalidValue = 1, kInvalidHandle = 400;

cuda::Driver driver;

void Check(cuda::Result result) { CHECK(result == cuda::kSuccess, "result %d", result); }

struct Stream {
  void* handle = nullptr;
  Stream() { Check(driver.cuStreamCreate(&handle, 1)); }
  ~Stream() { Check(driver.cuStreamDestroy_v2(handle)); }
  void Wait() const { Check(driver.cuStreamSynchronize(handle)); }
  void Up(Address to, const int* from) const { Check(driver.cuMemcpyHtoDAsync_v2(to, from, sizeof(int), handle)); }
  void Down(int* to, Address from) const { Check(driver.cuMemcpyDtoHAsync_v2(to, from, sizeof(int), handle)); }
};

int* Pinned() {
  void* memory = nullptr;
  Check(driver.cuMemHostAlloc(&memory, 4 * sizeof(int), 0));
  return static_cast<int*>(memory);
}

Address Allocated() {
  Address address = 0;
  Check(driver.cuMemAlloc_v2(&address, sizeof(int)));
  return address;
}

int Value(Address at) {
  const Stream stream;
  int value = 0;
  stream.Down(&value, at);  // to pageable memory: done on return
  return value;
}

void ReusedEarly() {
  int* const host = Pinned();
  const Address there = Allocated();
  const Stream stream;
  void* event = nullptr;
  Check(driver.cuEventCreate(&event, 2));
  for (const bool waits : {false, true}) {
    *host = 1;
    stream.Up(there, host);
    Check(driver.cuEventRecord(event, stream.handle));
    if (waits) Check(driver.cuEventSynchronize(event));
    *host = 2;
    stream.Wait();
    CHECK(Value(there) == (waits ? 1 : 2), "%d", Value(there));
  }
  // An event is as far as the stream had come.
  *host = 3;
  Check(driver.cuEventRecord(event, stream.handle));
  stream.Up(there, host);
  Check(driver.cuEventSynchronize(event));
  *host = 4;
  stream.Wait();
  CHECK(Value(there) == 4, "%d", Value(there));
  int pageable = 5;
  stream.Up(there, &pageable);
  pageable = 6;
  stream.Wait();
  CHECK(Value(there) == 5, "%d", Value(there));
  Check(driver.cuEventDestroy_v2(event));
  Check(driver.cuMemFreeHost(host));
  Check(driver.cuMemFree_v2(there));
}

void ReadEarly() {
  int* const host = Pinned();
  const Address there = Allocated();
  const Stream stream;
  host[0] = 1;
  stream.Up(there, host);
  stream.Down(host + 1, there);
  CHECK(host[1] == -1, "%d", host[1]);
  stream.Wait();
  CHECK(host[1] == 1, "%d", host[1]);
  Check(driver.cuMemFreeHost(host));
  Check(driver.cuMemFree_v2(there));
}

void HandedOverEarly() {
  int* const host = Pinned();
  const Address there = Allocated();
  const Stream first, second;
  for (const bool waits : {false, true}) {
    host[0] = 1;
    host[1] = 2;
    first.Up(there, host);
    if (waits) first.Wait();
    second.Up(there, host + 1);
    second.Wait();
    first.Wait();
    CHECK(Value(there) == (waits ? 2 : 1), "%d", Value(there));
  }
  Check(driver.cuMemFreeHost(host));
  Check(driver.cuMemFree_v2(there));
}

void DestroyedEarly() {
  int* const host = Pinned();
  const Address there = Allocated();
  void* stream = nullptr;
  Check(driver.cuStreamCreate(&stream, 1));
  *host = 7;
  Check(driver.cuMemcpyHtoDAsync_v2(there, host, sizeof(int), stream));
  CHECK(driver.cuStreamDestroy_v2(stream) == kInvalidValue, "a stream that has something left to do is gone");
  Check(driver.cuStreamSynchronize(stream));
  CHECK(Value(there) == 7, "%d", Value(there));
  Check(driver.cuStreamDestroy_v2(stream));
  Check(driver.cuMemFreeHost(host));
  Check(driver.cuMemFree_v2(there));
}

void Handles() {
  void* gone = nullptr;
  {
    const Stream stream;
    gone = stream.handle;
  }
  CHECK(driver.cuStreamSynchronize(gone) == kInvalidHandle, "a stream that is gone");
  CHECK(driver.cuEventSynchronize(gone) == kInvalidHandle, "an event that is none");
  CHECK(driver.cuMemFreeHost(&gone) != cuda::kSuccess, "memory that is not pinned");
}

}  // namespace

int main() {
  setenv("HYPERSPHERE_CUDA_DRIVER", HYPERSPHERE_SIMT, 1);
  std::string reason;
  CHECK(cuda::LoadDriver(driver, reason), "%s", reason.c_str());
  ReusedEarly();
  ReadEarly();
  HandedOverEarly();
  DestroyedEarly();
  Handles();
  printf("the stand-in's streams are late\n");
  return 0;
}
