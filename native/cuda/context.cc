#include "context.h"

#include <utility>

#include "held.h"
#include "ptx.h"

namespace hypersphere {
namespace cuda {
namespace {

constexpr const char* kNames[] = {
#define KERNEL(name) #name,
#include "kernels.def"
#include "fast_kernels.def"
#undef KERNEL
};
constexpr size_t kKernels = static_cast<size_t>(Kernel::kCount);

constexpr int kMajor = 75, kMinor = 76;  // attributes: the compute capability
constexpr int kLeastCapability = 75;
constexpr size_t kMostSide = INT32_MAX;  // of a matrix, and of a grid
constexpr size_t kGranule = size_t{1} << 16;  // sizes are rounded up, so that a kept block fits more calls
constexpr unsigned kNonBlocking = 1;  // a stream that waits for none of whoever else uses the device here

struct State {
  std::mutex lock;
  bool looked = false;
  Context* context = nullptr;
  std::string reason;
};

State& Shared() {
  static State* const state = new State;  // outlives every thread that may still ask
  return *state;
}

// Calls of several threads fail at the same time, and each is asked about its own.
std::string& OwnFailure() {
  static thread_local std::string failure;
  return failure;
}

}  // namespace

Context* Context::Get() {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.lock);
  if (!state.looked) {
    // A host without memory for it says nothing about the device: the next call looks again.
    std::unique_ptr<Context> context(new Context);
    std::string reason;
    if (context->Open(reason)) {
      state.context = context.release();
    } else {
      state.reason = std::move(reason);
    }
    state.looked = true;
  }
  return state.context;
}

std::string Context::Reason() {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.lock);
  return state.reason;
}

std::string Context::Failure() { return OwnFailure(); }

void Context::Lose(Result result, const char* what) {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.lock);
  if (lost_) return;  // another call was told first
  try {
    std::string failure;
    Succeeded(result, what, failure);
    state.reason = "the device was lost: " + failure;
  } catch (const std::bad_alloc&) {
    state.reason = "device lost";  // so short that it takes no memory
  }
  lost_ = true;
}

bool Context::Succeeded(Result result, const char* what, std::string& reason) const {
  if (result == kSuccess) return true;
  const char* name = nullptr;
  if (driver_.cuGetErrorName(result, &name) != kSuccess || name == nullptr) name = "an unknown error";
  reason = std::string(what) + ": " + name;
  return false;
}

bool Context::Open(std::string& reason) {
  if (!LoadDriver(driver_, reason)) return false;
  int count = 0, device = 0, major = 0, minor = 0;
  char name[256] = {};
  if (!Succeeded(driver_.cuInit(0), "cuInit", reason)) return false;
  if (!Succeeded(driver_.cuDeviceGetCount(&count), "cuDeviceGetCount", reason)) return false;
  if (count == 0) {
    reason = "the driver finds no CUDA device";
    return false;
  }
  if (!Succeeded(driver_.cuDeviceGet(&device, 0), "cuDeviceGet", reason)) return false;
  if (!Succeeded(driver_.cuDeviceGetName(name, sizeof(name) - 1, device), "cuDeviceGetName", reason)) return false;
  if (!Succeeded(driver_.cuDriverGetVersion(&version_), "cuDriverGetVersion", reason)) return false;
  if (!Succeeded(driver_.cuDeviceGetAttribute(&major, kMajor, device), "cuDeviceGetAttribute", reason)) return false;
  if (!Succeeded(driver_.cuDeviceGetAttribute(&minor, kMinor, device), "cuDeviceGetAttribute", reason)) return false;
  name_ = name;
  capability_ = major * 10 + minor;
  if (capability_ < kLeastCapability) {
    reason = name_ + " has compute capability " + std::to_string(major) + "." + std::to_string(minor) + ", and 7.5 is needed";
    return false;
  }
  if (!Succeeded(driver_.cuDevicePrimaryCtxRetain(&context_, device), "cuDevicePrimaryCtxRetain", reason)) return false;
  if (!Succeeded(driver_.cuCtxSetCurrent(context_), "cuCtxSetCurrent", reason)) return false;
  return Load(kPtx, 0, kFirstFast, reason);
}

// The text takes memory only while the driver reads it.
bool Context::Load(const PackedText& packed, size_t first, size_t last, std::string& reason) {
  void* module = nullptr;
  std::string ptx;
  if (!Unpack(packed, ptx)) {
    reason = "the addon's code for the device is damaged";
    return false;
  }
  if (!Succeeded(driver_.cuModuleLoadData(&module, ptx.c_str()), "cuModuleLoadData", reason)) return false;
  for (size_t k = first; k < last; k++) {
    if (!Succeeded(driver_.cuModuleGetFunction(&functions_[k], module, kNames[k]), kNames[k], reason)) return false;
  }
  return true;
}

// At first use: the driver compiles a module when it is loaded.
bool Context::LoadFast(std::string& reason) {
  const std::lock_guard<std::mutex> guard(load_lock_);
  if (functions_[kKernels - 1] != nullptr) return true;
  return Load(kFastPtx, kFirstFast, kKernels, reason);
}

Resident::~Resident() {
  if (blocks_.empty() && stream_.handle == nullptr) return;
  Context& context = *Context::Get();
  if (stream_.handle != nullptr) {
    // A finalizer's thread may have asked for nothing of the device yet.
    context.driver_.cuCtxSetCurrent(context.context_);
    context.driver_.cuStreamDestroy_v2(stream_.handle);
  }
  context.GiveBack(blocks_);
}

size_t Resident::Bytes() const {
  size_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.bytes;
  return bytes;
}

Call::Call(const std::atomic<bool>* cancel, Precision precision, const Resident* of) : cancel_(cancel) {
  Guard([&] { Begin(precision, of); });
}

void Call::Begin(Precision precision, const Resident* of) {
  context_ = Context::Get();
  if (context_ == nullptr) {
    NoDevice();
    return;
  }
  stream_ = of == nullptr ? &context_->stream_ : &of->stream_;
  turn_ = std::unique_lock<std::mutex>(stream_->turn);
  if (context_->lost_) {
    NoDevice();
    return;
  }
  Check(context_->driver_.cuCtxSetCurrent(context_->context_), "cuCtxSetCurrent");
  if (!Failed() && stream_->handle == nullptr) {
    void* handle = nullptr;
    Check(context_->driver_.cuStreamCreate(&handle, kNonBlocking), "cuStreamCreate");
    if (!Failed()) stream_->handle = handle;
  }
  if (Failed() || precision != Precision::kFast || !context_->HasFast()) return;
  fast_ = true;
  std::string failure;
  if (context_->LoadFast(failure)) return;
  // The device is as it was: whoever asks for reproducible products still gets them.
  OwnFailure() = "the fast kernels do not load: " + failure;
  status_ = Status::kNoDevice;
}

Call::~Call() {
  if (context_ == nullptr) return;
  // What is under way still uses the memory, on both sides.
  if (stream_->handle != nullptr && !context_->lost_) context_->driver_.cuStreamSynchronize(stream_->handle);
  if (staging_ != nullptr) {
    staging_->Forget();
    context_->GiveBack(std::move(staging_));
  }
  Held& held = Held::OfThread();
  held.GiveBack();
  if (holds_ && !Failed()) {
    held.blocks.swap(blocks_);
  } else {
    context_->GiveBack(blocks_);
  }
}

void Call::NoDevice() {
  Guard([&] {
    OwnFailure() = Context::Reason();
    status_ = Status::kNoDevice;
  });
}

Address Call::Claim(size_t count, size_t size) {
  Address address = 0;
  if (Failed()) return address;
  if (count > (SIZE_MAX - kGranule) / size) {
    OutOfMemory(SIZE_MAX);
    return address;
  }
  const size_t rounded = (count * size + kGranule - 1) / kGranule * kGranule, bytes = rounded == 0 ? kGranule : rounded;
  // Listed before it is there: a block that cannot be listed could not be given back.
  Guard([&] { blocks_.push_back({0, bytes}); });
  if (Failed()) return address;
  const Result result = context_->Take(bytes, &address);
  if (result == kSuccess) {
    blocks_.back().address = address;
  } else {
    blocks_.pop_back();
    if (result == kErrorOutOfMemory) OutOfMemory(bytes);
    Check(result, "cuMemAlloc");
  }
  if (Failed()) return 0;
  if (context_->driver_.hypersphere_simt_use != nullptr) Check(context_->driver_.hypersphere_simt_use(address, count * size), "hypersphere_simt_use");
  return address;
}

void Call::OutOfMemory(size_t bytes) {
  size_t free = 0, total = 0;
  context_->driver_.cuMemGetInfo_v2(&free, &total);
  Guard([&] {
    OwnFailure() = std::to_string(bytes) + " bytes asked for, " + std::to_string(free) + " of " + std::to_string(total) + " free";
    status_ = Status::kDeviceOutOfMemory;
  });
}

void Call::ExpectSides(std::initializer_list<size_t> sides) {
  for (const size_t side : sides) {
    if (Failed() || side <= kMostSide) continue;
    Guard([&] {
      OwnFailure() = "a side of " + std::to_string(side) + ", more than " + std::to_string(kMostSide);
      status_ = Status::kDeviceOutOfMemory;
    });
  }
}

void Call::Check(Result result, const char* what) {
  if (result == kSuccess || Failed()) return;
  // A launch may find no room for its threads' own memory, which costs the device nothing.
  if (result == kErrorOutOfMemory) {
    OutOfMemory(0);
    return;
  }
  context_->Lose(result, what);
  NoDevice();
}

// Without staging a driver copies by way of memory of its own, and waits longer for it.
bool Call::Staged() {
  if (staging_ == nullptr && !pageable_) staging_ = context_->TakeStaging();
  pageable_ = staging_ == nullptr;
  return !pageable_;
}

void Call::ToDevice(void* to, const void* from, size_t bytes) {
  if (Failed() || bytes == 0) return;
  const Address address = reinterpret_cast<Address>(to);
  Check(Staged() ? staging_->Upload(stream_->handle, address, from, bytes)
                 : context_->driver_.cuMemcpyHtoDAsync_v2(address, from, bytes, stream_->handle),
        "cuMemcpyHtoD");
}

void Call::ToHost(void* to, const void* from, size_t bytes) {
  if (Failed() || bytes == 0) return;
  const Address address = reinterpret_cast<Address>(from);
  Check(Staged() ? staging_->Download(stream_->handle, to, address, bytes)
                 : context_->driver_.cuMemcpyDtoHAsync_v2(to, address, bytes, stream_->handle),
        "cuMemcpyDtoH");
}

void Call::Start(Kernel kernel, const Grid& grid, void** arguments) {
  ExpectSides({grid.x});
  if (Failed()) return;
  if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) {
    status_ = Status::kAborted;
    return;
  }
  const auto size = [](size_t n) { return static_cast<unsigned>(n); };
  Check(context_->driver_.cuLaunchKernel(context_->functions_[static_cast<size_t>(kernel)], size(grid.x), size(grid.y), size(grid.z), kThreads, 1, 1, 0,
                                         stream_->handle, arguments, nullptr),
        kNames[static_cast<size_t>(kernel)]);
}

Status Call::Finish() {
  if (context_ == nullptr || stream_->handle == nullptr || status_ == Status::kNoDevice) return status_;
  if (context_->lost_) {  // through another call
    NoDevice();
    return status_;
  }
  Check(context_->driver_.cuStreamSynchronize(stream_->handle), "cuStreamSynchronize");
  if (staging_ != nullptr && !Failed()) staging_->Deliver();
  return status_;
}

}  // namespace cuda
}  // namespace hypersphere
