// Functions that JavaScript gets. Napi::Function::New would do, but that it says `std::bad_alloc` where the glue has no memory, and allocates for
// the arguments before a callback could catch it.
#pragma once

#include <memory>
#include <new>
#include <type_traits>

#include "args.h"

namespace hypersphere {

template <class Callback>
class FunctionData {
 public:
  FunctionData(Callback callback, void* data) : callback_(callback), data_(data) {}

  static napi_value Call(napi_env env, napi_callback_info info) {
    try {
      try {
        return Run(env, info);
      } catch (const std::bad_alloc&) {
        throw StatusFailure(env, Status::kOutOfMemory);
      }
    } catch (const Napi::Error& error) {
      error.ThrowAsJavaScriptException();
    } catch (const std::exception& error) {
      // Not even memory for the error's fields.
      napi_throw_error(env, "ERR_OUT_OF_MEMORY", error.what());
    }
    return nullptr;
  }

 private:
  static napi_value Run(napi_env env, napi_callback_info raw) {
    Napi::CallbackInfo info(env, raw);
    FunctionData& function = *static_cast<FunctionData*>(info.Data());
    info.SetData(function.data_);
    if constexpr (std::is_void_v<decltype(function.callback_(info))>) {
      function.callback_(info);
      return nullptr;
    } else {
      return function.callback_(info);
    }
  }

  Callback callback_;
  void* data_;
};

template <class Callback>
Napi::Function FunctionOf(Napi::Env env, Callback callback, const char* name, void* data = nullptr) {
  auto function = std::make_unique<FunctionData<Callback>>(callback, data);
  napi_value value;
  NAPI_THROW_IF_FAILED(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, FunctionData<Callback>::Call, function.get(), &value),
                       Napi::Function());
  const auto release = [](napi_env, void* data, void*) { delete static_cast<FunctionData<Callback>*>(data); };
  NAPI_THROW_IF_FAILED(env, napi_add_finalizer(env, value, function.get(), release, nullptr, nullptr), Napi::Function());
  function.release();
  return Napi::Function(env, value);
}

}  // namespace hypersphere
