// Ranks of the rows that a query should find. A few of them are counted one by one (kernels/ranks.h); of many the whole row is sorted.
#include <algorithm>

#include "../cpu.h"
#include "blocks.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kMostCounted = 512;  // a sort costs about as much as counting for so many

struct Keyed {
  float value;
  int32_t row;
};

// The least first, NaN after everything, ties by row.
bool Precedes(const Keyed& a, const Keyed& b) {
  if (a.value < b.value) return true;
  if (a.value > b.value) return false;
  const bool none = a.value != a.value, other = b.value != b.value;
  return none == other ? a.row < b.row : other;
}

class Query {
 public:
  Query(const RanksOp& op, const KernelTable& kernels, size_t query, Keyed* room)
      : kernels_(kernels), values_(op.values + query * op.m), m_(op.m), room_(room), own_(op.own < 0 ? -1 : op.own + static_cast<int64_t>(query)) {}

  void Run(const int32_t* rows, size_t count, int32_t* ranks) const {
    if (count > kMostCounted) return Sorted(rows, count, ranks);
    for (size_t t = 0; t < count; t++) {
      if (rows[t] != own_) *ranks++ = Rank(static_cast<size_t>(rows[t]));
    }
    std::sort(ranks - (count - (own_ < 0 ? 0 : 1)), ranks);
  }

 private:
  int32_t Rank(size_t row) const {
    const Keyed key = KeyedOf(row);
    size_t before = 0;
    if (key.value == key.value) {
      before = kernels_.count_before(values_, m_, row);
    } else {
      for (size_t j = 0; j < m_; j++) before += Precedes(KeyedOf(j), key) ? 1 : 0;
    }
    if (own_ >= 0 && Precedes(KeyedOf(static_cast<size_t>(own_)), key)) before--;
    return static_cast<int32_t>(before + 1);
  }

  void Sorted(const int32_t* rows, size_t count, int32_t* ranks) const {
    for (size_t j = 0; j < m_; j++) room_[j] = KeyedOf(j);
    std::sort(room_, room_ + m_, Precedes);
    // The values are needed no more; their place tells the relevant rows.
    for (size_t j = 0; j < m_; j++) values_[j] = 0;
    for (size_t t = 0; t < count; t++) values_[rows[t]] = 1;
    int32_t rank = 0;
    for (size_t j = 0; j < m_; j++) {
      if (room_[j].row == own_) continue;
      rank++;
      if (values_[room_[j].row] != 0) *ranks++ = rank;
    }
  }

  Keyed KeyedOf(size_t row) const { return {values_[row], static_cast<int32_t>(row)}; }

  const KernelTable& kernels_;
  float* const values_;
  const size_t m_;
  Keyed* const room_;
  const int64_t own_;
};

}  // namespace

Status RelevantRanks(const RanksOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  const int threads = ThreadsForPass(op.n, op.m);
  bool sorts = false;
  for (size_t i = 0; i < op.n; i++) sorts = sorts || static_cast<size_t>(op.to[i] - op.from[i]) > kMostCounted;
  Workspace space;
  const size_t starts_place = space.Add<size_t>(op.n);
  const size_t room_place = space.Add<Keyed>(sorts ? op.m * static_cast<size_t>(threads) : 0);
  if (!space.Allocate()) return Status::kOutOfMemory;
  size_t* const starts = space.At<size_t>(starts_place);
  size_t total = 0;
  for (size_t i = 0; i < op.n; i++) {
    starts[i] = total;
    total += static_cast<size_t>(op.to[i] - op.from[i]) - (op.own < 0 ? 0 : 1);
  }
  const auto query = [&](size_t i, int worker) {
    float* const values = op.values + i * op.m;
    if (op.descending) {
      for (size_t j = 0; j < op.m; j++) values[j] = -values[j];
    }
    Keyed* const room = space.At<Keyed>(room_place) + (sorts ? op.m * static_cast<size_t>(worker) : 0);
    Query(op, kernels, i, room).Run(op.rows + op.from[i], static_cast<size_t>(op.to[i] - op.from[i]), op.ranks + starts[i]);
  };
  return ParallelFor(op.n, query, cancel, threads);
}

}  // namespace hypersphere
