// The columns of one row in a batch by class: runs of its positives and of its negatives, on CPU and device alike.
#pragma once

#include <stddef.h>

#include "../host_device.h"

namespace hypersphere {

struct Span {
  size_t first, last;
  HYPERSPHERE_HOST_DEVICE size_t Count() const { return last - first; }
};

constexpr size_t kMostRuns = 4;

// Runs of columns; some may be empty.
struct Side {
  Span runs[kMostRuns] = {};
  size_t count = 0;  // of columns
  HYPERSPHERE_HOST_DEVICE const Span* begin() const { return runs; }
  HYPERSPHERE_HOST_DEVICE const Span* end() const { return runs + kMostRuns; }
};

// The columns of a row's class, itself left out, and those of the others.
struct Sides {
  Side positives, negatives;
};

// Of a row with the runs of its class among the n rows of the batch, itself in it, and among those of the memory behind them.
HYPERSPHERE_HOST_DEVICE inline Sides SidesOf(size_t row, const Span& own, const Span& stored, size_t n, size_t columns) {
  const size_t count = own.Count() - 1 + stored.Count();
  return {{{{own.first, row}, {row + 1, own.last}, stored}, count},
          {{{0, own.first}, {own.last, n}, {n, stored.first}, {stored.last, columns}}, columns - 1 - count}};
}

}  // namespace hypersphere
