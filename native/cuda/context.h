// The device as the ops see it: one context a process, found at first use; memory that is kept for the next call; a stream for each object that
// stays there and one for calls without; and a Call, which owns what one op has on the device and remembers the first thing that went wrong.
//
// Calls of one stream take turns, those of several may overlap. A call waits for its stream before it gives memory back, so a block that another
// call finds in the store is at rest, whatever its stream was.
#pragma once

#include <atomic>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "../api.h"
#include "driver.h"
#include "packed_text.h"
#include "staging.h"

namespace hypersphere {
namespace cuda {

enum class Kernel {
#define KERNEL(name) k_##name,
#include "kernels.def"
#include "fast_kernels.def"
#undef KERNEL
  kCount
};
constexpr size_t kFirstFast = static_cast<size_t>(Kernel::k_fast_multiply);

// What a call may do: kFast lets products lose digits (fast.h) where the device is faster that way.
enum class Precision { kReproducible, kFast };

struct Block {
  Address address;
  size_t bytes;
};

// Work that is done in the order in which it was asked for.
struct Stream {
  std::mutex turn;         // whose call has it
  void* handle = nullptr;  // made by the first call
};

class Context {
 public:
  // Null where there is no device: Reason() then says why. A lost device has a reason, too: it serves nobody any more.
  static Context* Get();
  static std::string Reason();
  // What the last op of this thread that failed asked for, or what the device said.
  static std::string Failure();
  // What this thread holds for a second phase (Call::HoldForNext) that does not come.
  static void ReleaseHeld();

  const std::string& Name() const { return name_; }
  int DriverVersion() const { return version_; }
  // Whether the device has tensor cores for bfloat16; without them kFast computes as kReproducible does.
  bool HasFast() const { return capability_ >= kFastCapability; }
  // On the stand-in, whose times mean nothing.
  bool Simulated() const { return driver_.hypersphere_simt_use != nullptr; }

 private:
  friend class Call;
  friend class Resident;
  friend struct Held;

  static constexpr int kFastCapability = 80;

  Context() = default;
  bool Open(std::string& reason);
  bool Load(const PackedText& packed, size_t first, size_t last, std::string& reason);
  bool LoadFast(std::string& reason);
  bool Succeeded(Result result, const char* what, std::string& reason) const;
  Result Take(size_t bytes, Address* address);
  void GiveBack(std::vector<Block>& blocks);
  bool TakeKept(size_t bytes, Address* address);
  void ReleaseKept();
  // Null where the host has none to give; then arrays cross as they are.
  std::unique_ptr<Staging> TakeStaging();
  void GiveBack(std::unique_ptr<Staging> staging);
  void Lose(Result result, const char* what);

  Driver driver_;
  std::string name_;
  int version_ = 0, capability_ = 0;
  void* context_ = nullptr;
  void* functions_[static_cast<size_t>(Kernel::kCount)] = {};
  Stream stream_;  // of calls without an object
  std::mutex load_lock_;
  std::mutex kept_lock_;  // of what waits for the next call
  std::multimap<size_t, Address> kept_;
  std::vector<std::unique_ptr<Staging>> staging_;
  std::atomic<bool> lost_{false};
};

struct Grid {
  size_t x, y = 1, z = 1;
};

// Memory that outlives the call that took it, and the stream of the calls that use it. It goes back to the store of the context, from whichever
// thread, when no call uses it any more.
class Resident {
 public:
  Resident() = default;
  Resident(const Resident&) = delete;
  Resident& operator=(const Resident&) = delete;
  ~Resident();
  size_t Bytes() const;

 private:
  friend class Call;
  std::vector<Block> blocks_;
  mutable Stream stream_;
};

// Once something has failed, nothing more is done, and Finish says what it was: a host without memory for what a call notes down is kOutOfMemory.
class Call {
 public:
  // `of`: whose stream it takes, once no other call has that.
  explicit Call(const std::atomic<bool>* cancel, Precision precision = Precision::kReproducible, const Resident* of = nullptr);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // For the length of the call. Over nothing: an address that must not be read.
  template <class T>
  T* Allocate(size_t count) {
    return reinterpret_cast<T*>(Claim(count, sizeof(T)));
  }
  template <class T>
  T* Upload(const T* from, size_t count) {
    T* const to = Allocate<T>(count);
    Upload(to, from, count);
    return to;
  }
  // To what was allocated before. `from` may change as soon as this returns.
  template <class T>
  void Upload(T* to, const T* from, size_t count) {
    ToDevice(to, from, count * sizeof(T));
  }
  // Done when Finish returns; of a call that fails, perhaps in part.
  template <class T>
  void Download(T* to, const T* from, size_t count) {
    ToHost(to, from, count * sizeof(T));
  }

  template <class... Args>
  void Launch(Kernel kernel, Grid grid, Args... args) {
    void* pointers[] = {&args...};
    Start(kernel, grid, pointers);
  }
  // One group of 16 threads a row, or one thread a row.
  template <class... Args>
  void LaunchGroups(Kernel kernel, size_t rows, Args... args) {
    if (rows > 0) Launch(kernel, {(rows + kGroups - 1) / kGroups}, args...);
  }
  template <class... Args>
  void LaunchThreads(Kernel kernel, size_t rows, Args... args) {
    if (rows > 0) Launch(kernel, {(rows + kThreads - 1) / kThreads}, args...);
  }

  // Fails the call where a side is more than the kernels count: such a matrix is out of reach of a device's memory, or nearly.
  void ExpectSides(std::initializer_list<size_t> sides);
  // What this call has allocated so far stays.
  void KeepIn(Resident& resident) { resident.blocks_.swap(blocks_); }
  // What this call has allocated is there for the next call of this thread that asks for as much: the second phase of an op whose first has worked.
  // That call's end, the thread's, or ReleaseHeld lets go of what is left.
  void HoldForNext() { holds_ = true; }
  // From here on the call goes on to its end.
  void IgnoreCancel() { cancel_ = nullptr; }
  bool Failed() const { return status_ != Status::kOk; }
  // Whether products go through the fast kernels.
  bool Fast() const { return fast_; }
  // Waits until everything asked for is done.
  Status Finish();

 private:
  static constexpr size_t kThreads = 256, kGroups = 16;

  // Ops throw nothing.
  template <class Run>
  void Guard(const Run& run) {
    try {
      run();
    } catch (const std::bad_alloc&) {
      status_ = Status::kOutOfMemory;
    }
  }
  void Begin(Precision precision, const Resident* of);
  bool Staged();
  Address Claim(size_t count, size_t size);
  void ToDevice(void* to, const void* from, size_t bytes);
  void ToHost(void* to, const void* from, size_t bytes);
  void Start(Kernel kernel, const Grid& grid, void** arguments);
  void Check(Result result, const char* what);
  void NoDevice();
  void OutOfMemory(size_t bytes);

  Context* context_ = nullptr;
  Stream* stream_ = nullptr;
  std::unique_lock<std::mutex> turn_;
  std::unique_ptr<Staging> staging_;
  const std::atomic<bool>* cancel_;
  std::vector<Block> blocks_;
  Status status_ = Status::kOk;
  bool fast_ = false, pageable_ = false, holds_ = false;
};

}  // namespace cuda
}  // namespace hypersphere
