// The linker sends these calls of the addon here (`--wrap`, addon.gyp). Not among them, beside those that only read: what makes an error and throws it,
// which node-addon-api answers by ending the process; what settles a promise, since nobody else could; and what only counts or frees.
#include "failing_node_api.h"

#include <node_api.h>

#include <atomic>

namespace {

std::atomic<int> left{0};
std::atomic<bool> failed{false};

bool Fails() {
  if (left.load(std::memory_order_relaxed) <= 0 || left.fetch_sub(1) != 1) return false;
  failed.store(true);
  return true;
}

}  // namespace

#define FAILS(name, parameters, arguments) \
  napi_status __real_##name parameters;    \
  napi_status __wrap_##name parameters { return Fails() ? napi_generic_failure : __real_##name arguments; }

extern "C" {

FAILS(napi_create_function,
      (napi_env env, const char* name, size_t length, napi_callback callback, void* data, napi_value* result),
      (env, name, length, callback, data, result))
FAILS(napi_add_finalizer,
      (napi_env env, napi_value object, void* data, napi_finalize finalize, void* hint, napi_ref* result),
      (env, object, data, finalize, hint, result))
FAILS(napi_create_object, (napi_env env, napi_value* result), (env, result))
FAILS(napi_create_double, (napi_env env, double value, napi_value* result), (env, value, result))
FAILS(napi_set_named_property, (napi_env env, napi_value object, const char* name, napi_value value), (env, object, name, value))
FAILS(napi_get_value_double, (napi_env env, napi_value value, double* result), (env, value, result))
FAILS(napi_get_value_bool, (napi_env env, napi_value value, bool* result), (env, value, result))
FAILS(napi_typeof, (napi_env env, napi_value value, napi_valuetype* result), (env, value, result))
FAILS(napi_is_typedarray, (napi_env env, napi_value value, bool* result), (env, value, result))
FAILS(napi_get_typedarray_info,
      (napi_env env, napi_value array, napi_typedarray_type* type, size_t* length, void** data, napi_value* buffer, size_t* offset),
      (env, array, type, length, data, buffer, offset))
FAILS(napi_call_function,
      (napi_env env, napi_value receiver, napi_value function, size_t count, const napi_value* arguments, napi_value* result),
      (env, receiver, function, count, arguments, result))
FAILS(napi_create_promise, (napi_env env, napi_deferred* deferred, napi_value* promise), (env, deferred, promise))
FAILS(napi_create_async_work,
      (napi_env env, napi_value resource, napi_value name, napi_async_execute_callback execute, napi_async_complete_callback complete, void* data, napi_async_work* result),
      (env, resource, name, execute, complete, data, result))
FAILS(napi_create_reference, (napi_env env, napi_value value, uint32_t count, napi_ref* result), (env, value, count, result))
FAILS(napi_queue_async_work, (node_api_basic_env env, napi_async_work work), (env, work))

}  // extern "C"

namespace hypersphere::test {

void FailNodeApi(int which) {
  failed.store(false);
  left.store(which);
}

bool DisarmNodeApi() {
  left.store(0);
  return failed.exchange(false);
}

}  // namespace hypersphere::test
