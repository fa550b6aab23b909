// What outlives the call that made it, owned by the functions that JavaScript gets of it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "setup.h"

namespace hypersphere {

// What it weighs, on the host or on a device, is accounted to the environment as long as it is there for new calls: until `dispose`, or until all
// the functions are collected, which so comes in time. A call under way has its own share in it.
template <class Thing>
class Kept {
 public:
  Kept(Napi::Env env, std::shared_ptr<Thing> thing) : env_(env), thing_(std::move(thing)) {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() { Dispose(); }

  const std::shared_ptr<Thing>& Get() const { return thing_; }
  void Account() { Adjust(accounted_ = static_cast<int64_t>(thing_->bytes())); }
  void Dispose() {
    thing_.reset();
    if (accounted_ != 0) Adjust(-std::exchange(accounted_, 0));
  }

 private:
  void Adjust(int64_t bytes) {
    int64_t total = 0;
    napi_adjust_external_memory(env_, bytes, &total);
  }

  napi_env env_;
  std::shared_ptr<Thing> thing_;
  int64_t accounted_ = 0;
};

}  // namespace hypersphere
