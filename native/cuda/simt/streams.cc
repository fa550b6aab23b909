#include "streams.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "setting.h"

namespace hypersphere {
namespace simt {
namespace {

std::atomic<Result> lost{0};

class Stream {
 public:
  void Queue(std::function<void()> work) {
    const std::lock_guard<std::mutex> guard(lock_);
    work_.push_back(std::move(work));
    queued_++;
  }
  uint64_t Queued() {
    const std::lock_guard<std::mutex> guard(lock_);
    return queued_;
  }
  bool Idle() {
    const std::lock_guard<std::mutex> turn(running_);
    return done_ == Queued();
  }
  // In order, whoever else waits for the same stream.
  void RunTo(uint64_t end) {
    const std::lock_guard<std::mutex> turn(running_);
    for (; done_ < end; done_++) {
      const std::function<void()> work = Next();
      if (lost == 0) work();
    }
  }

 private:
  std::function<void()> Next() {
    const std::lock_guard<std::mutex> guard(lock_);
    std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    return work;
  }

  std::mutex lock_, running_;
  std::deque<std::function<void()>> work_;
  uint64_t queued_ = 0, done_ = 0;
};

struct Event {
  std::shared_ptr<Stream> stream;  // that it was recorded in, as far as it had come
  uint64_t end = 0;
};

struct All {
  std::mutex lock;
  std::map<void*, std::shared_ptr<Stream>> streams;
  std::map<void*, std::shared_ptr<Event>> events;
  std::map<const char*, size_t> pinned;
  size_t pinned_bytes = 0;
};
All& Everything() {
  static All* const all = new All;
  return *all;
}

// Null for a handle that is none.
template <class T>
std::shared_ptr<T> Find(const std::map<void*, std::shared_ptr<T>>& in, void* handle) {
  const std::lock_guard<std::mutex> guard(Everything().lock);
  const auto found = in.find(handle);
  return found == in.end() ? nullptr : found->second;
}

}  // namespace

Result Lost() { return lost; }

Result Lose(Result reason) {
  Result none = 0;
  lost.compare_exchange_strong(none, reason);
  return lost;
}

void* CreateStream() {
  All& all = Everything();
  const std::lock_guard<std::mutex> guard(all.lock);
  if (all.streams.size() >= Setting("HYPERSPHERE_SIMT_STREAMS", SIZE_MAX)) return nullptr;
  auto stream = std::make_shared<Stream>();
  void* const handle = stream.get();
  all.streams.emplace(handle, std::move(stream));
  return handle;
}

Result DestroyStream(void* stream) {
  const auto found = Find(Everything().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  if (lost == 0 && !found->Idle()) return kInvalidValue;
  const std::lock_guard<std::mutex> guard(Everything().lock);
  Everything().streams.erase(stream);
  return lost;
}

Result Queue(void* stream, std::function<void()> work) {
  const auto found = Find(Everything().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  found->Queue(std::move(work));
  return 0;
}

Result Synchronize(void* stream) {
  const auto found = Find(Everything().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  found->RunTo(found->Queued());
  return lost;
}

void* CreateEvent() {
  const std::lock_guard<std::mutex> guard(Everything().lock);
  auto event = std::make_shared<Event>();
  void* const handle = event.get();
  Everything().events.emplace(handle, std::move(event));
  return handle;
}

Result DestroyEvent(void* event) {
  const std::lock_guard<std::mutex> guard(Everything().lock);
  return Everything().events.erase(event) == 1 ? 0 : kInvalidHandle;
}

Result Record(void* event, void* stream) {
  const auto of = Find(Everything().streams, stream);
  const auto found = Find(Everything().events, event);
  if (of == nullptr || found == nullptr) return kInvalidHandle;
  *found = {of, of->Queued()};
  return 0;
}

Result WaitFor(void* event) {
  const auto found = Find(Everything().events, event);
  if (found == nullptr) return kInvalidHandle;
  if (found->stream != nullptr) found->stream->RunTo(found->end);
  return lost;
}

void* Pin(size_t bytes) {
  All& all = Everything();
  const std::lock_guard<std::mutex> guard(all.lock);
  if (bytes > Setting("HYPERSPHERE_SIMT_PINNED", SIZE_MAX) - all.pinned_bytes) return nullptr;
  void* const memory = malloc(bytes);
  if (memory == nullptr) return nullptr;
  memset(memory, 0xff, bytes);
  all.pinned.emplace(static_cast<const char*>(memory), bytes);
  all.pinned_bytes += bytes;
  return memory;
}

bool Unpin(void* memory) {
  All& all = Everything();
  const std::lock_guard<std::mutex> guard(all.lock);
  const auto found = all.pinned.find(static_cast<const char*>(memory));
  if (found == all.pinned.end()) return false;
  all.pinned_bytes -= found->second;
  all.pinned.erase(found);
  free(memory);
  return true;
}

bool IsPinned(const void* memory, size_t bytes) {
  All& all = Everything();
  const std::lock_guard<std::mutex> guard(all.lock);
  const char* const first = static_cast<const char*>(memory);
  auto after = all.pinned.upper_bound(first);
  if (after == all.pinned.begin()) return false;
  --after;
  return first + bytes <= after->first + after->second;
}

}  // namespace simt
}  // namespace hypersphere
