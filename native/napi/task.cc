#include "task.h"

#include <memory>
#include <set>
#include <utility>

#include "../cuda/context.h"
#include "function.h"

namespace hypersphere {

namespace {

// Shared with the cancel function, which may outlive the task. `work` is touched on the JavaScript thread only.
struct Control {
  std::atomic<bool> cancelled{false};
  napi_async_work work = nullptr;

  void Cancel(napi_env env) {
    cancelled.store(true);
    // Fails for a task that runs already: that one sees the flag.
    if (work != nullptr) napi_cancel_async_work(env, work);
  }
};

// The instance data: what an environment has queued or running.
struct Tasks {
  std::set<std::shared_ptr<Control>> live;
};

struct Task {
  std::shared_ptr<Control> control;
  Work run;
  std::vector<Napi::Reference<Napi::Value>> arrays;
  napi_deferred deferred = nullptr;
  Status status = Status::kOk;
  std::string failure;
};

// Called from C, so nothing may be thrown past it.
void Execute(napi_env, void* data) {
  Task* task = static_cast<Task*>(data);
  try {
    task->status = task->run(&task->control->cancelled);
    // Each thread has its own; the JavaScript thread would read another.
    if (task->status != Status::kOk) task->failure = cuda::Context::Failure();
  } catch (const std::bad_alloc&) {
    if (task->status == Status::kOk) task->status = Status::kOutOfMemory;
  }
}

// False when the environment is on its way out and runs no JavaScript any more.
bool Settle(Napi::Env env, napi_deferred deferred, Status status, const std::string& failure) {
  if (status == Status::kOk) return napi_resolve_deferred(env, deferred, env.Undefined()) == napi_ok;
  return napi_reject_deferred(env, deferred, StatusFailure(env, status, failure).Value()) == napi_ok;
}

// Called from C, so nothing may be thrown past it.
void Complete(napi_env raw_env, napi_status outcome, void* data) {
  const std::unique_ptr<Task> task(static_cast<Task*>(data));
  const Napi::Env env(raw_env);
  napi_delete_async_work(env, std::exchange(task->control->work, nullptr));
  env.GetInstanceData<Tasks>()->live.erase(task->control);
  const auto settle = [&](Status status) {
    try {
      return Settle(env, task->deferred, status, task->failure);
    } catch (const Napi::Error& error) {
      return napi_reject_deferred(env, task->deferred, error.Value()) == napi_ok;
    }
  };
  bool settled = false;
  try {
    settled = settle(outcome == napi_cancelled ? Status::kAborted : task->status);
  } catch (const std::bad_alloc&) {
    // The error's own fields had no memory. Whoever awaits the promise must not wait forever, so this is tried once more.
    try {
      settled = settle(Status::kOutOfMemory);
    } catch (const std::bad_alloc&) {
    }
  }
  // A worker that was terminated is not gone before its last task is.
  if (!settled) CancelTasks(env);
}

// Among the tasks of the environment already; undone where the way to the queue ends early.
class Unqueued {
 public:
  Unqueued(Napi::Env env, Task& task) : env_(env), task_(&task) { env.GetInstanceData<Tasks>()->live.insert(task.control); }
  Unqueued(const Unqueued&) = delete;
  Unqueued& operator=(const Unqueued&) = delete;
  ~Unqueued() {
    if (task_ == nullptr) return;
    Control& control = *task_->control;
    if (control.work != nullptr) napi_delete_async_work(env_, std::exchange(control.work, nullptr));
    // Nobody has the promise, but it lives until it is settled.
    if (task_->deferred != nullptr) napi_resolve_deferred(env_, task_->deferred, env_.Undefined());
    env_.GetInstanceData<Tasks>()->live.erase(task_->control);
  }
  void Release() { task_ = nullptr; }

 private:
  Napi::Env env_;
  Task* task_;
};

}  // namespace

Napi::Value StartTask(const Args& args, const char* name, Work work) {
  const Napi::Env env = args.Env();
  auto task = std::make_unique<Task>();
  auto control = std::make_shared<Control>();
  task->control = control;
  task->run = std::move(work);
  for (napi_value array : args.Arrays()) task->arrays.push_back(Napi::Persistent(Napi::Value(env, array)));

  Napi::Object result = Napi::Object::New(env);
  result.Set("cancel", FunctionOf(env, [control](const Napi::CallbackInfo& info) { control->Cancel(info.Env()); }, "cancel"));
  const Napi::String resource = Napi::String::New(env, name);
  // Before the queue has it: an insertion that failed afterwards would free a task that runs.
  Unqueued unqueued(env, *task);
  NAPI_THROW_IF_FAILED(env, napi_create_async_work(env, nullptr, resource, Execute, Complete, task.get(), &control->work),
                       Napi::Value());
  napi_value promise;
  NAPI_THROW_IF_FAILED(env, napi_create_promise(env, &task->deferred, &promise), Napi::Value());
  result.Set("promise", promise);
  NAPI_THROW_IF_FAILED(env, napi_queue_async_work(env, control->work), Napi::Value());
  unqueued.Release();
  task.release();
  return result;
}

void InitTasks(Napi::Env env) { env.SetInstanceData(new Tasks); }

void CancelTasks(Napi::Env env) {
  for (const std::shared_ptr<Control>& control : env.GetInstanceData<Tasks>()->live) control->Cancel(env);
}

}  // namespace hypersphere
