// Wall time of work that a device does in its own time.
#pragma once

#include <chrono>

namespace hypersphere::test {

// Of one start(), the least of some rounds: each starts it several times and waits for all. The first, in which things are loaded, does not count.
template <class Start, class Wait>
double LeastSeconds(const Start& start, const Wait& wait) {
  constexpr int kRounds = 7, kTurns = 10;
  start();
  wait();
  double least = 0;
  for (int round = 0; round < kRounds; round++) {
    const auto begin = std::chrono::steady_clock::now();
    for (int turn = 0; turn < kTurns; turn++) start();
    wait();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / kTurns;
    if (round == 0 || seconds < least) least = seconds;
  }
  return least;
}

}  // namespace hypersphere::test
