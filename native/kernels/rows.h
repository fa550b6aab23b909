// Sums along one row in 16 virtual lanes, folded by the tree of pairs.h, for kernels that pass over memory once: there the
// loads are the limit, so a row at a time is enough and several sums of the same row are taken in one pass. The lanes stay
// in registers over the whole row. Past its end the operands are 0 and leave a lane as it is, so terms must vanish at 0.
#pragma once

#include "pairs.h"

namespace hypersphere {
namespace {

HYPERSPHERE_INLINE V LoadUpTo(const float* p, size_t n) { return n == kLanes ? Load(p) : LoadN(p, n); }
HYPERSPHERE_INLINE void StoreUpTo(V v, float* p, size_t n) {
  if (n == kLanes) {
    Store(v, p);
  } else {
    StoreN(v, p, n);
  }
}

// term(k, n, sums) adds the coordinates [k, k + n) to the lanes of each sum; n is kLanes but at the end of the row.
template <size_t kSums, class Term>
HYPERSPHERE_INLINE void RowSums(size_t d, const Term& term, float (&sums)[kSums]) {
  V lanes[kParts][kSums] = {};
  size_t k = 0;
  for (; k + kVirtualLanes <= d; k += kVirtualLanes) {
#pragma GCC unroll 4
    for (size_t part = 0; part < kParts; part++) term(k + part * kLanes, kLanes, lanes[part]);
  }
#pragma GCC unroll 4
  for (size_t part = 0; part < kParts; part++) {
    const size_t at = k + part * kLanes;
    if (at >= d) break;
    term(at, Least(kLanes, d - at), lanes[part]);
  }
#pragma GCC unroll 2
  for (size_t half = kParts / 2; half > 0; half /= 2) {
#pragma GCC unroll 2
    for (size_t part = 0; part < half; part++) {
      for (size_t s = 0; s < kSums; s++) lanes[part][s] += lanes[part + half][s];
    }
  }
  for (size_t s = 0; s < kSums; s++) sums[s] = FoldLanes(lanes[0][s]);
}

// action(k, n) for the whole row.
template <class Action>
HYPERSPHERE_INLINE void AlongRow(size_t d, const Action& action) {
  size_t k = 0;
  for (; k + kLanes <= d; k += kLanes) action(k, kLanes);
  if (k < d) action(k, d - k);
}

}  // namespace
}  // namespace hypersphere
