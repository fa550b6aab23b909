// Around rows that stay on the device, a group of sixteen threads to a row: those that take part side by side and back in their places, widened
// and rounded on the way where they are bfloat16; the batch as it is multiplied; and what a margin asks of each row and its target, so that no
// weight has to cross. Each is one pass over what it reads, coalesced.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/rank.h"
#include "../../kernels/weights.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

// Where row i of those that take part begins.
HYPERSPHERE_DEVICE size_t PlaceOf(const KeptRows& of, size_t i) {
  return (of.classes == nullptr ? of.first + i : static_cast<size_t>(of.classes[i / of.k]) * of.k + i % of.k) * of.d;
}

HYPERSPHERE_DEVICE float ValueAt(const KeptRows& of, size_t at) {
  return of.half_rows == nullptr ? of.rows[at] : FloatOf(static_cast<uint32_t>(of.half_rows[at]) << 16);
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void take_rows(const KeptRows from, float* to) {
  const size_t i = GroupRow();
  if (i >= from.count) return;
  const size_t place = PlaceOf(from, i);
  for (size_t j = OwnFirst(); j < from.d; j += kOwnStep) to[i * from.d + j] = ValueAt(from, place + j);
}

HYPERSPHERE_KERNEL void put_rows(const float* from, const KeptRows to, const HalfRounding rounding) {
  const size_t i = GroupRow();
  if (i >= to.count) return;
  const size_t place = PlaceOf(to, i);
  for (size_t j = OwnFirst(); j < to.d; j += kOwnStep) {
    const float* const value = from + i * to.d + j;
    if (to.half_rows == nullptr) {
      to.rows[place + j] = *value;
    } else if (rounding.stochastic) {
      NarrowStochastic(value, 1, {rounding.seed, place + j, rounding.high_half}, to.half_rows + place + j);
    } else {
      Narrow(value, 1, to.half_rows + place + j);
    }
  }
}

HYPERSPHERE_KERNEL void scale_rows(const ScaledRows of) {
  const size_t i = GroupRow();
  if (i >= of.n) return;
  const bool counts = of.labels[i] != kIgnored;
  for (size_t j = OwnFirst(); j < of.d; j += kOwnStep) {
    const float x = of.x[i * of.d + j];
    const float scaled = of.factors == nullptr ? x : static_cast<float>(static_cast<double>(x) * of.factors[i]);
    if (of.scaled != nullptr) of.scaled[i * of.d + j] = scaled;
    if (of.counted != nullptr) of.counted[i * of.d + j] = !counts ? 0 : of.counts_x ? x : scaled;
  }
}

// For each row and each of its target's k rows w: x·w and w·w, in the eight lanes of double that ops/margin_rows.cc sums in. Half of a group
// has the one, half the other. Rows without a target leave theirs unwritten.
HYPERSPHERE_KERNEL void target_products(const float* x, const int32_t* labels, size_t n, const KeptRows of, double* products) {
  SHARED_ARRAY(double, lanes, 256);
  const size_t pair = GroupRow(), i = pair / of.k, lane = threadIdx.x % 8;
  const bool here = i < n && labels[i] >= 0, squares = (threadIdx.x & 8) != 0;
  double sum = 0;
  if (here) {
    const size_t place = PlaceOf(of, static_cast<size_t>(labels[i]) * of.k + pair % of.k);
    for (size_t j = lane; j < of.d; j += 8) {
      const double w = static_cast<double>(ValueAt(of, place + j));
      sum += (squares ? w : static_cast<double>(x[i * of.d + j])) * w;
    }
  }
  lanes[threadIdx.x] = sum;
  SyncThreads();
  if (!here || lane != 0) return;
  const double* const own = lanes + threadIdx.x;
  products[2 * pair + (squares ? 1 : 0)] = ((own[0] + own[4]) + (own[2] + own[6])) + ((own[1] + own[5]) + (own[3] + own[7]));
}
