// What the tests of failures share: a device of a process of its own, as one that is lost stays so, and what ops must give on it.
#pragma once

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "compare.h"
#include "every_op.h"

namespace hypersphere::test {

inline bool SameNumbers(const std::vector<double>& a, const std::vector<double>& b) {
  CHECK(a.size() == b.size(), "%zu and %zu numbers", a.size(), b.size());
  for (size_t i = 0; i < a.size(); i++) {
    if (!SameNumber(a[i], b[i])) return false;
  }
  return true;
}

inline std::vector<double> Expected(const Op& op) {
  Results cpu, device;
  Succeed(op.run(true, device));
  if (op.kind == Kind::kFast) return device.All();
  Succeed(op.run(false, cpu));
  CHECK(SameNumbers(cpu.All(), device.All()), "%s: other bits than the CPU's", op.name.c_str());
  return cpu.All();
}

using Settings = std::initializer_list<std::pair<const char*, std::string>>;

// What `run` returns there.
inline int OnDevice(const Settings& settings, const std::function<int()>& run) {
  fflush(stdout);
  const pid_t child = fork();
  CHECK(child >= 0, "no process");
  if (child == 0) {
    for (const auto& [name, value] : settings) setenv((std::string("HYPERSPHERE_SIMT_") + name).c_str(), value.c_str(), 1);
    const int end = run();
    fflush(stdout);
    _exit(end);
  }
  int end = 0;
  CHECK(waitpid(child, &end, 0) == child && WIFEXITED(end), "a process that ended with %d", end);
  return WEXITSTATUS(end);
}

}  // namespace hypersphere::test
