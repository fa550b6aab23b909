#include "context.h"

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

// Blocks that only this thread's next call may have.
struct Held {
  std::vector<Block> blocks;

  static Held& OfThread() {
    static thread_local Held held;
    return held;
  }
  ~Held() { GiveBack(); }
  void GiveBack() {
    if (!blocks.empty()) Context::Get()->GiveBack(blocks);
  }
  bool Take(size_t bytes, Address* address) {
    for (Block& block : blocks) {
      if (block.bytes != bytes) continue;
      *address = block.address;
      block = blocks.back();
      blocks.pop_back();
      return true;
    }
    return false;
  }
};

Context* Context::Get() {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.lock);
  if (!state.looked) {
    state.looked = true;
    Context* const context = new Context;
    if (context->Open(state.reason)) {
      state.context = context;
    } else {
      delete context;
    }
  }
  return state.context;
}

std::string Context::Reason() {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.lock);
  return state.reason;
}

std::string Context::Failure() { return OwnFailure(); }

void Context::Lose(const std::string& failure) {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.lock);
  if (lost_) return;  // another call was told first
  state.reason = "the device was lost: " + failure;
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

// Another call may have the memory that this one frees before it can: then it is told that the device is full, as it is.
Result Context::Take(size_t bytes, Address* address) {
  Held& held = Held::OfThread();
  if (held.Take(bytes, address) || TakeKept(bytes, address)) return kSuccess;
  Result result = driver_.cuMemAlloc_v2(address, bytes);
  if (result != kErrorOutOfMemory) return result;
  held.GiveBack();
  ReleaseKept();
  return driver_.cuMemAlloc_v2(address, bytes);
}

bool Context::TakeKept(size_t bytes, Address* address) {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  const auto found = kept_.find(bytes);
  if (found == kept_.end()) return false;
  *address = found->second;
  kept_.erase(found);
  return true;
}

void Context::GiveBack(std::vector<Block>& blocks) {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  for (const Block& block : blocks) kept_.emplace(block.bytes, block.address);
  blocks.clear();
}

void Context::ReleaseKept() {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  for (const auto& block : kept_) driver_.cuMemFree_v2(block.second);
  kept_.clear();
}

std::unique_ptr<Staging> Context::TakeStaging() {
  {
    const std::lock_guard<std::mutex> guard(kept_lock_);
    if (!staging_.empty()) {
      std::unique_ptr<Staging> staging = std::move(staging_.back());
      staging_.pop_back();
      return staging;
    }
  }
  return Staging::Make(driver_);
}

void Context::GiveBack(std::unique_ptr<Staging> staging) {
  const std::lock_guard<std::mutex> guard(kept_lock_);
  staging_.push_back(std::move(staging));
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

Call::Call(const std::atomic<bool>* cancel, Precision precision, const Resident* of) : context_(Context::Get()), cancel_(cancel) {
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
  OwnFailure() = Context::Reason();
  status_ = Status::kNoDevice;
}

Address Call::Claim(size_t count, size_t size) {
  if (Failed()) return 0;
  if (count > (SIZE_MAX - kGranule) / size) {
    OutOfMemory(SIZE_MAX);
    return 0;
  }
  const size_t rounded = (count * size + kGranule - 1) / kGranule * kGranule, bytes = rounded == 0 ? kGranule : rounded;
  Address address = 0;
  const Result result = context_->Take(bytes, &address);
  if (result == kErrorOutOfMemory) {
    OutOfMemory(bytes);
  } else {
    Check(result, "cuMemAlloc");
  }
  if (Failed()) return 0;
  blocks_.push_back({address, bytes});
  if (context_->driver_.hypersphere_simt_use != nullptr) Check(context_->driver_.hypersphere_simt_use(address, count * size), "hypersphere_simt_use");
  return address;
}

void Call::OutOfMemory(size_t bytes) {
  size_t free = 0, total = 0;
  context_->driver_.cuMemGetInfo_v2(&free, &total);
  OwnFailure() = std::to_string(bytes) + " bytes asked for, " + std::to_string(free) + " of " + std::to_string(total) + " free";
  status_ = Status::kDeviceOutOfMemory;
}

void Call::ExpectSides(std::initializer_list<size_t> sides) {
  for (const size_t side : sides) {
    if (Failed() || side <= kMostSide) continue;
    OwnFailure() = "a side of " + std::to_string(side) + ", more than " + std::to_string(kMostSide);
    status_ = Status::kDeviceOutOfMemory;
  }
}

void Call::Check(Result result, const char* what) {
  if (result == kSuccess || Failed()) return;
  // A launch may find no room for its threads' own memory, which costs the device nothing.
  if (result == kErrorOutOfMemory) {
    OutOfMemory(0);
    return;
  }
  std::string failure;
  context_->Succeeded(result, what, failure);
  context_->Lose(failure);
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
