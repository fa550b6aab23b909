#include "task.h"

#include <memory>
#include <utility>

namespace hypersphere {

namespace {

// Shared with the cancel function, which may outlive the task. `work` is touched on the JavaScript thread only.
struct Control {
  std::atomic<bool> cancelled{false};
  napi_async_work work = nullptr;
};

struct Task {
  std::shared_ptr<Control> control;
  Work run;
  std::vector<Napi::Reference<Napi::Value>> arrays;
  napi_deferred deferred = nullptr;
  Status status = Status::kOk;
};

void Execute(napi_env, void* data) {
  Task* task = static_cast<Task*>(data);
  task->status = task->run(&task->control->cancelled);
}

// Called from C, possibly while the environment goes away: nothing may be thrown past it, and a promise that can no
// longer be settled stays as it is.
void Complete(napi_env raw_env, napi_status outcome, void* data) {
  const std::unique_ptr<Task> task(static_cast<Task*>(data));
  const Napi::Env env(raw_env);
  napi_delete_async_work(env, std::exchange(task->control->work, nullptr));
  try {
    const Status status = outcome == napi_cancelled ? Status::kAborted : task->status;
    if (status == Status::kOk) {
      napi_resolve_deferred(env, task->deferred, env.Undefined());
    } else {
      napi_reject_deferred(env, task->deferred, StatusFailure(env, status).Value());
    }
  } catch (const std::exception&) {
  }
}

}  // namespace

Napi::Value StartTask(const Args& args, const char* name, Work work) {
  const Napi::Env env = args.Env();
  auto task = std::make_unique<Task>();
  auto control = std::make_shared<Control>();
  task->control = control;
  task->run = std::move(work);
  for (napi_value array : args.Arrays()) task->arrays.push_back(Napi::Persistent(Napi::Value(env, array)));

  Napi::Object result = Napi::Object::New(env);
  napi_value promise;
  NAPI_THROW_IF_FAILED(env, napi_create_promise(env, &task->deferred, &promise), Napi::Value());
  result.Set("promise", promise);
  result.Set("cancel", Napi::Function::New(
                           env,
                           [control](const Napi::CallbackInfo& info) {
                             control->cancelled.store(true);
                             // Fails for a task that runs already: that one sees the flag.
                             if (control->work != nullptr) napi_cancel_async_work(info.Env(), control->work);
                           },
                           "cancel"));
  const Napi::String resource = Napi::String::New(env, name);
  NAPI_THROW_IF_FAILED(env, napi_create_async_work(env, nullptr, resource, Execute, Complete, task.get(), &control->work),
                       Napi::Value());
  const napi_status queued = napi_queue_async_work(env, control->work);
  if (queued != napi_ok) napi_delete_async_work(env, std::exchange(control->work, nullptr));
  NAPI_THROW_IF_FAILED(env, queued, Napi::Value());
  task.release();
  return result;
}

}  // namespace hypersphere
