// How the operations cut their work: by shape alone, never by the number of threads.
#pragma once

#include <atomic>

#include "../api.h"
#include "../threads/pool.h"

namespace hypersphere {

// Of the products: a left panel so deep stays in the first level of cache, or nearly.
constexpr size_t kMostDepth = 768;
constexpr size_t kPanelsPerPackTask = 8;

constexpr size_t Least(size_t a, size_t b) { return a < b ? a : b; }
constexpr size_t Most(size_t a, size_t b) { return a > b ? a : b; }
constexpr size_t DivideUp(size_t a, size_t b) { return (a + b - 1) / b; }
constexpr size_t RoundUp(size_t a, size_t b) { return DivideUp(a, b) * b; }

// Below so many multiplications a call stays on its thread: waking a worker would take longer.
constexpr double kFewestOperations = 2e6;
#ifdef HYPERSPHERE_TEST
inline std::atomic<double> fewest_operations{kFewestOperations};  // a fuzzer's small calls use the pool, too
#else
constexpr double fewest_operations = kFewestOperations;
#endif
inline int ThreadsFor(size_t rows, size_t cols, size_t depth, int most = Threads()) {
  return static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(depth) < fewest_operations ? 1 : most;
}

// One pass over memory does little arithmetic: there waking a worker pays from some 256 thousand elements on.
inline int ThreadsForPass(size_t rows, size_t d) { return ThreadsFor(rows, 8, d); }

// Rows of a block of such a pass: some 64 KiB of them.
constexpr size_t RowsOfBlock(size_t d) { return Most(1, (size_t{16} << 10) / Most(d, 1)); }

}  // namespace hypersphere
