// What holds for every call, whatever it is given.
#pragma once

#include "../../../native/ops/workspace.h"
#include "../../../native/threads/pool.h"
#include "allocations.h"
#include "call.h"

namespace hypersphere::test {

constexpr size_t kKept = size_t{128} << 20;

inline std::vector<uint8_t> ResultOf(const Callable& what, Call& call) {
  call.Restore();
  const Status status = call.run(nullptr);
  CHECK(status == Status::kOk, "%s %d: status %d", what.name, what.choice, static_cast<int>(status));
  CHECK(call.Untouched(false), "%s %d: an input has changed", what.name, what.choice);
  return call.Outputs();
}

// At every level, on one thread and on two, in fresh scratch memory and in used: right of status, the inputs as they were, and equal bits
// wherever they are promised. Returns how many calls that took.
inline size_t CheckEverywhere(const Callable& what, Call& call) {
  static const std::vector<Level> levels = Levels();
  std::vector<uint8_t> promised;
  bool any = false;
  for (const Level level : levels) {
    SetLevel(level);
    SetThreads(1);
    Workspace::Keep(0);
    const std::vector<uint8_t> one = ResultOf(what, call);
    Workspace::Keep(kKept);
    SetThreads(2);
    const std::vector<uint8_t> two = ResultOf(what, call);
    CHECK(one == two, "%s %d, %s, on one thread and on two: %s", what.name, what.choice, LevelName(level), call.Difference(one, two).c_str());
    if (level == Level::kBaseline) continue;
    if (!any) promised = one;
    any = true;
    CHECK(one == promised, "%s %d, %s and another level: %s", what.name, what.choice, LevelName(level), call.Difference(one, promised).c_str());
  }
  return 2 * levels.size();
}

// A call that is cancelled before it starts ends as one of the two.
inline void CheckCancelled(const Callable& what, Call& call) {
  const std::atomic<bool> cancel{true};
  call.Restore();
  const Status status = call.run(&cancel);
  CHECK(status == Status::kAborted || status == Status::kOk, "%s %d: status %d", what.name, what.choice, static_cast<int>(status));
  CHECK(call.Untouched(false), "%s %d: an input has changed", what.name, what.choice);
}

// Each of the call's allocations fails once. The status says so and nothing is written; a thread that cannot be had is done without. The next
// call works as ever. Returns how many have failed.
inline int CheckAllocations(const Callable& what, Call& call) {
  const std::vector<uint8_t> expected = ResultOf(what, call);
  for (int which = 1;; which++) {
    Workspace::Keep(0);
    call.Restore();
    FailAllocation(which);
    const Status status = call.run(nullptr);
    const Failed failed = Disarm();
    const Status wanted = failed == Failed::kMemory ? Status::kOutOfMemory : Status::kOk;
    CHECK(status == wanted, "%s %d, allocation %d: status %d", what.name, what.choice, which, static_cast<int>(status));
    if (failed == Failed::kMemory) {
      CHECK(call.Untouched(true), "%s %d, allocation %d: something is written", what.name, what.choice, which);
    } else {
      CHECK(call.Untouched(false) && call.Outputs() == expected, "%s %d, allocation %d: other bits", what.name, what.choice, which);
    }
    Workspace::Keep(kKept);
    Workspace::TakePeak();
    CHECK(Workspace::TakePeak() == 0, "%s %d, allocation %d: scratch memory is not given back", what.name, what.choice, which);
    if (failed == Failed::kNothing) return which - 1;
    CHECK(ResultOf(what, call) == expected, "%s %d, after allocation %d: other bits", what.name, what.choice, which);
  }
}

}  // namespace hypersphere::test
