// The rows of a batch by label, by a stable radix sort: time and memory follow the batch, never the number of classes, and no choice
// of labels is slow. Any int32 is a label.
#pragma once

#include "workspace.h"

namespace hypersphere {

struct ClassRows {
  const size_t* rows;
  const size_t* starts;  // class t has rows[starts[t] … starts[t + 1])
  size_t count;
};

constexpr size_t kDigits = 256;

// One pass of the radix sort: stable by the digit at `shift`.
inline void SortByDigit(const int32_t* labels, const size_t* from, size_t n, unsigned shift, size_t* to) {
  size_t places[kDigits] = {};
  const auto digit = [=](size_t row) { return static_cast<uint32_t>(labels[row]) >> shift & (kDigits - 1); };
  for (size_t i = 0; i < n; i++) places[digit(i)]++;
  size_t place = 0;
  for (size_t& at : places) {
    const size_t count = at;
    at = place;
    place += count;
  }
  for (size_t i = 0; i < n; i++) to[places[digit(from[i])]++] = from[i];
}

class Buckets {
 public:
  Buckets(Workspace& space, size_t n)
      : space_(space), n_(n), order_(space.Add<size_t>(n)), spare_(space.Add<size_t>(n)), starts_(space.Add<size_t>(n + 1)) {}

  ClassRows Sort(const int32_t* labels) const {
    size_t* order = space_.At<size_t>(order_);
    size_t* spare = space_.At<size_t>(spare_);
    size_t* starts = space_.At<size_t>(starts_);
    uint32_t all = 0;
    for (size_t i = 0; i < n_; i++) {
      order[i] = i;
      all |= static_cast<uint32_t>(labels[i]);
    }
    for (unsigned shift = 0; shift < 32 && all >> shift != 0; shift += 8) {
      SortByDigit(labels, order, n_, shift, spare);
      size_t* const sorted = spare;
      spare = order;
      order = sorted;
    }
    size_t count = 0;
    for (size_t i = 0; i < n_; i++) {
      if (i == 0 || labels[order[i]] != labels[order[i - 1]]) starts[count++] = i;
    }
    starts[count] = n_;
    return {order, starts, count};
  }

 private:
  Workspace& space_;
  size_t n_, order_, spare_, starts_;
};

}  // namespace hypersphere
