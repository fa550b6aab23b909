// One op off the event loop: a single libuv slot coordinates it, the pool does the work.
#pragma once

#include <atomic>
#include <functional>

#include "../api.h"
#include "args.h"

namespace hypersphere {

// Runs without JavaScript; stops between blocks once the flag is set.
using Work = std::function<Status(const std::atomic<bool>* cancel)>;

// Queues `work` and returns { promise, cancel }. `cancel()` takes a queued task out of the queue and stops a running one at
// its next block; the promise then rejects with ERR_ABORTED, but only when nothing touches the arrays any more.
// The typed arrays of `args` stay alive until then. That does not pin an ordinary ArrayBuffer, which could still be detached
// or resized: lib/promises.ts passes private or shared memory only.
Napi::Value StartTask(const Args& args, const char* name, Work work);

// Gives the environment the list of its tasks. Called once, by the addon's initialisation.
void InitTasks(Napi::Env env);

// Cancels all tasks of the environment. Node waits for them when it ends, and nobody would see their results.
void CancelTasks(Napi::Env env);

}  // namespace hypersphere
