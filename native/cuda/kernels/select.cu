// The k best columns of every row, from a block of finished distances: a block of 256 threads a row. Fused: ranks are made of the distances as
// they are read, and compared at once with the row's bound, the greatest of its k least so far. What passes, hardly anything after the first
// columns, goes behind those k into the row's pool; only where the pool then holds more than k are its k least found, by their digits, and
// moved to the front. Ranks are all different, so neither the order in which threads append nor the cut into blocks leaves a trace.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/rank.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

constexpr unsigned kSelectThreads = 256, kDigits = 256, kDigitBits = 8;

HYPERSPHERE_DEVICE bool Allowed(const SelectArgs& args, size_t row, size_t col) {
  if (args.exclude_self && args.first_row + row == args.first_col + col) return false;
  if (args.filter == Filter::kNone) return true;
  return (args.gallery_labels[col] == args.labels[row]) == (args.filter == Filter::kSame);
}

// The k-th least of the pool, k ≤ count, digit by digit from the top: how many of those that agree so far have which digit next.
HYPERSPHERE_DEVICE uint64_t KthLeast(const uint64_t* pool, unsigned count, unsigned k, unsigned* counts) {
  uint64_t found = 0;
  for (unsigned done = 0; done < 64; done += kDigitBits) {
    const unsigned shift = 64 - kDigitBits - done;
    counts[threadIdx.x] = 0;
    SyncThreads();
    for (unsigned i = threadIdx.x; i < count; i += kSelectThreads) {
      const uint64_t rank = pool[i];
      if (done == 0 || (rank ^ found) >> (64 - done) == 0) AtomicAdd(counts + (rank >> shift) % kDigits, 1);
    }
    SyncThreads();
    unsigned digit = 0;
    for (; counts[digit] < k; digit++) k -= counts[digit];
    found |= static_cast<uint64_t>(digit) << shift;
    SyncThreads();
  }
  return found;
}

// Those of the pool that are not above `most`, to its front. Each step writes below what the next one reads.
HYPERSPHERE_DEVICE void KeepLeast(uint64_t* pool, unsigned count, uint64_t most, unsigned* kept) {
  if (threadIdx.x == 0) *kept = 0;
  for (unsigned first = 0; first < count; first += kSelectThreads) {
    const unsigned i = first + threadIdx.x;
    const uint64_t rank = i < count ? pool[i] : kNoRank;
    SyncThreads();
    if (rank <= most) pool[AtomicAdd(kept, 1)] = rank;
  }
  SyncThreads();
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL void select_ranks(const SelectArgs args) {
  SHARED_ARRAY(unsigned, counts, kDigits);
  SHARED_ARRAY(unsigned, size, 1);
  const size_t row = blockIdx.x;
  const bool begins = args.first_col == 0;
  uint64_t* const pool = args.pools + row * args.capacity;
  uint64_t bound = kNoRank;
  if (!begins) {
    bound = args.bounds[row];
  } else if (args.within != nullptr) {
    bound = RankOf(args.within[row], args.grows, 0) & ~uint64_t{1};
  }
  if (threadIdx.x == 0) *size = begins ? 0 : args.counts[row];
  SyncThreads();
  for (size_t col = threadIdx.x; col < args.cols; col += kSelectThreads) {
    const uint64_t rank = RankOf(args.values[row * args.cols + col], args.grows, args.first_col + col);
    if (rank >= bound || (args.beyond != nullptr && !RanksBeyond(rank, args.beyond[row], args.grows)) || !Allowed(args, row, col)) continue;
    pool[AtomicAdd(size, 1)] = rank;
  }
  SyncThreads();
  unsigned count = *size;
  const unsigned k = args.k;
  if (count > k) {
    bound = KthLeast(pool, count, k, counts);
    KeepLeast(pool, count, bound, size);
    count = k;
  }
  if (threadIdx.x == 0) {
    args.counts[row] = count;
    args.bounds[row] = bound;
  }
  if (!args.ends) return;
  for (unsigned i = threadIdx.x; i < k; i += kSelectThreads) args.ranks[row * k + i] = i < count ? pool[i] : kNoRank;
}

// bfloat16 is the upper half of a float32.
HYPERSPHERE_KERNEL void widen(const uint16_t* halves, size_t count, float* out) {
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = FloatOf(static_cast<uint32_t>(halves[i]) << 16);
}
