// Exact nearest neighbours: distances of a block of rows to a block of the gallery after the other, by the kernels of `distances`, and from each
// the k least ranks (kernels/select.cu). A fast call computes, once a first block has given rows their bounds, what the fast product cannot rule
// out: its neighbours are the same. Ranks come to the host as they are and are sorted and read there, when all of it has worked. Blocks are
// cut by shapes alone, and leave no trace.
#include <algorithm>

#include "../../cpu.h"
#include "../../ops/workspace.h"
#include "../../threads/pool.h"
#include "gallery.h"
#include "ops.h"
#include "product.h"
#include "resident.h"

namespace hypersphere {
namespace cuda {
namespace {

// Few rows take more columns at a time, so that there is work for every multiprocessor; the pools of all rows of a block are bounded.
constexpr size_t kRowBlock = 1024, kColBlock = 8192, kLeastValues = 32 * kColBlock, kPoolRanks = size_t{1} << 25;

constexpr bool Grows(Metric metric) { return metric == Metric::kDot || metric == Metric::kCosineSimilarity; }

struct Results {
  uint64_t* ranks;  // [n, k], the host's
  const NearestOp& op;

  void Read(size_t first, size_t rows) const {
    for (size_t row = first; row < first + rows; row++) std::sort(ranks + row * op.k, ranks + (row + 1) * op.k);
    const size_t at = first * op.k;
    CurrentKernels().decode_ranks(ranks + at, rows * op.k, op.metric, op.indices + at, op.distances + at);
  }
};

// `here` is the op with what it points to on the device, but for its results.
class Search {
 public:
  Search(Call& call, const NearestOp& here, const GalleryRows& gallery) : call_(call), op_(here), gallery_(gallery) {
    col_block_ = std::min(std::max(kColBlock, kLeastValues / std::max<size_t>(op_.n, 1)), op_.m);
    capacity_ = op_.k + col_block_;
    row_block_ = std::max<size_t>(std::min({kRowBlock, kPoolRanks / capacity_, op_.n}), 1);
    const bool halves = gallery.half_rows != nullptr;
    wide_ = halves ? call.Allocate<float>(col_block_ * op_.d) : nullptr;
    x_ = AllocateSide(call, op_.x, op_.n, op_.d, op_.metric);
    y_ = {gallery.rows, op_.m, op_.d, gallery.norms, gallery.moments};
    if (halves) y_ = AllocateSide(call, wide_, col_block_, op_.d, op_.metric);
    values_ = call.Allocate<float>(row_block_ * col_block_);
    marks_ = AllocateMarks(call, row_block_, col_block_, op_.metric);
    fast_ = call.Fast() && OfProduct(op_.metric);
    candidates_ = fast_ ? call.Allocate<uint32_t>(TilesOf(row_block_, col_block_)) : nullptr;
    pools_ = call.Allocate<uint64_t>(row_block_ * capacity_);
    counts_ = call.Allocate<unsigned>(row_block_);
    bounds_ = call.Allocate<uint64_t>(row_block_);
    ranks_ = call.Allocate<uint64_t>(op_.n * op_.k);
  }

  // To ranks [n, k] of the host.
  void Run(uint64_t* ranks) {
    LaunchNorms(call_, x_, op_.metric);
    for (size_t row = 0; row < op_.n; row += row_block_) {
      // Once even for an empty gallery, whose neighbours are no rank.
      size_t col = 0;
      do {
        SearchBlock(row, std::min(row_block_, op_.n - row), col, std::min(col_block_, op_.m - col));
        col += col_block_;
      } while (col < op_.m);
    }
    call_.Download(ranks, ranks_, op_.n * op_.k);
  }

 private:
  static Side Part(const Side& side, size_t first, size_t count) {
    const auto at = [first](auto* from) { return from == nullptr ? nullptr : from + first; };
    return {side.rows + first * side.d, count, side.d, at(side.norms), at(side.moments)};
  }

  Side Columns(size_t col, size_t cols) {
    if (gallery_.half_rows == nullptr) return Part(y_, col, cols);
    Side side = y_;
    side.count = cols;
    call_.LaunchThreads(Kernel::k_widen, cols * op_.d, gallery_.half_rows + col * op_.d, cols * op_.d, wide_);
    LaunchNorms(call_, side, op_.metric);
    return side;
  }

  void SearchBlock(size_t row, size_t rows, size_t col, size_t cols) {
    const auto from = [](auto* all, size_t first) { return all == nullptr ? nullptr : all + first; };
    const Side x = Part(x_, row, rows), y = Columns(col, cols);
    if (fast_ && col > 0) {
      LaunchCandidates(call_, x, y, op_.metric, bounds_, values_, marks_, candidates_);
    } else {
      LaunchDistances(call_, x, y, op_.metric, values_, false, marks_, false);
    }
    SelectArgs args{};
    args.values = values_;
    args.pools = pools_;
    args.counts = counts_;
    args.bounds = bounds_;
    args.ranks = ranks_ + row * op_.k;
    args.labels = from(op_.labels, row);
    args.gallery_labels = from(gallery_.labels, col);
    args.beyond = from(op_.beyond, row);
    args.within = from(op_.within, row);
    args.capacity = capacity_;
    args.first_row = row;
    args.first_col = col;
    args.cols = cols;
    args.k = static_cast<uint32_t>(op_.k);
    args.filter = op_.filter;
    args.exclude_self = op_.exclude_self;
    args.grows = Grows(op_.metric);
    args.ends = col + cols == op_.m;
    call_.Launch(Kernel::k_select_ranks, {rows}, args);
  }

  Call& call_;
  const NearestOp& op_;
  const GalleryRows& gallery_;
  size_t col_block_, capacity_, row_block_;
  float *wide_, *values_;
  uint64_t* marks_;
  bool fast_;
  uint32_t* candidates_;
  Side x_, y_;
  uint64_t *pools_, *bounds_, *ranks_;
  unsigned* counts_;
};

// x, labels and bounds of the op on the device. `x` may be there already.
NearestOp Uploaded(Call& call, const NearestOp& op, const float* x) {
  NearestOp here = op;
  here.x = x != nullptr ? x : call.Upload(op.x, op.n * op.d);
  here.labels = op.filter == Filter::kNone ? nullptr : call.Upload(op.labels, op.n);
  here.beyond = op.beyond == nullptr ? nullptr : call.Upload(op.beyond, op.n);
  here.within = op.within == nullptr ? nullptr : call.Upload(op.within, op.n);
  return here;
}

Status RunSearch(Call& call, const NearestOp& here, const NearestOp& op, const GalleryRows& gallery, const std::atomic<bool>* cancel) {
  Workspace space;
  const size_t place = space.Add<uint64_t>(op.n * op.k);
  if (!space.Allocate()) return Status::kOutOfMemory;
  uint64_t* const ranks = space.At<uint64_t>(place);
  Search search(call, here, gallery);
  if (!call.Failed()) search.Run(ranks);
  const Status status = call.Finish();
  if (status != Status::kOk) return status;
  constexpr size_t kRows = 64;
  const Results results{ranks, op};
  return ParallelFor((op.n + kRows - 1) / kRows, [&](size_t block, int) { results.Read(block * kRows, std::min(kRows, op.n - block * kRows)); }, cancel);
}

// What a search wants of float32 rows beside them.
void AddNorms(Call& call, Metric metric, GalleryRows& gallery) {
  const Side side = AllocateSide(call, gallery.rows, gallery.m, gallery.d, metric);
  LaunchNorms(call, side, metric);
  gallery.norms = side.norms;
  gallery.moments = side.moments;
}

// Rows of the host and what a search wants of them, on the device.
GalleryRows UploadedRows(Call& call, const float* rows, const uint16_t* halves, const int32_t* labels, size_t m, size_t d, Metric metric) {
  GalleryRows gallery{};
  gallery.m = m;
  gallery.d = d;
  gallery.labels = labels == nullptr ? nullptr : call.Upload(labels, m);
  if (halves != nullptr) {
    gallery.half_rows = call.Upload(halves, m * d);
  } else {
    gallery.rows = call.Upload(rows, m * d);
    AddNorms(call, metric, gallery);
  }
  return gallery;
}

Status Run(const NearestOp& op, Precision precision, const std::atomic<bool>* cancel) {
  Call call(cancel, precision);
  call.ExpectSides({op.n, op.m, op.d});
  const int32_t* const labels = op.filter == Filter::kNone ? nullptr : op.gallery_labels;
  const GalleryRows gallery = UploadedRows(call, op.gallery, op.half_gallery, labels, op.m, op.d, op.metric);
  const bool self = op.x == op.gallery && op.n == op.m;
  return RunSearch(call, Uploaded(call, op, self ? gallery.rows : nullptr), op, gallery, cancel);
}

}  // namespace

Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, Precision::kReproducible, cancel); }
namespace fast {
Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, Precision::kFast, cancel); }
}  // namespace fast

Status Gallery::Pack(const float* data, const uint16_t* halves, const int32_t* given_labels) noexcept {
  Call call(nullptr, Precision::kReproducible, &memory_);
  call.ExpectSides({m, d});
  rows_ = UploadedRows(call, data, halves, given_labels, m, d, metric);
  labels = rows_.labels;
  const Status status = call.Finish();
  if (status == Status::kOk) call.KeepIn(memory_);
  return status;
}

Status Gallery::Search(const NearestOp& op, const std::atomic<bool>* cancel) const noexcept {
  Call call(cancel, precision, &memory_);
  call.ExpectSides({op.n});
  return RunSearch(call, Uploaded(call, op, nullptr), op, rows_, cancel);
}

Status ResidentRows::Nearest(const NearestOp& op) const noexcept {
  Call call(nullptr, Precision::kReproducible, &memory_);
  call.ExpectSides({op.n, count, d});
  GalleryRows gallery{};
  gallery.m = count;
  gallery.d = d;
  gallery.rows = rows_;
  gallery.half_rows = half_rows_;
  if (!half) AddNorms(call, op.metric, gallery);
  return RunSearch(call, Uploaded(call, op, nullptr), op, gallery, nullptr);
}

}  // namespace cuda
}  // namespace hypersphere
