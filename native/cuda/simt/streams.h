// The stand-in's streams, each as late as a device may be: what is asked of one lies in its queue until somebody waits for it, and then only as far
// as is waited for. So memory that is reused, read or handed to another stream before its work was waited for has the wrong bits every time, where a
// device would have them at times. Any number of threads may call; kernels run one at a time, the work of several streams in any order.
#pragma once

#include <stddef.h>

#include <functional>

#include "../driver.h"

namespace hypersphere {
namespace simt {

using cuda::Result;

constexpr Result kInvalidValue = 1, kInvalidHandle = 400, kLaunchFailed = 719;

// 0, or why the device does nothing any more. The first reason stays.
Result Lost();
Result Lose(Result reason);

// Null where there are HYPERSPHERE_SIMT_STREAMS already.
void* CreateStream();
// An error, and it stays, where it has something left to do: a device would do that in memory which others have by then. Not once the device is lost.
Result DestroyStream(void* stream);
Result Queue(void* stream, std::function<void()> work);
Result Synchronize(void* stream);

void* CreateEvent();
Result DestroyEvent(void* event);
Result Record(void* event, void* stream);
Result WaitFor(void* event);

// Page-locked memory, which starts as NaN. Null where that would be more than HYPERSPHERE_SIMT_PINNED bytes.
void* Pin(size_t bytes);
bool Unpin(void* memory);
bool IsPinned(const void* memory, size_t bytes);

}  // namespace simt
}  // namespace hypersphere
