// Exact nearest neighbours without the distance matrix. The rows of x are packed once for all. With many of them the gallery
// goes by in chunks, packed by all threads and then run against by each task's own rows: every row has one list. With few of
// them the gallery is cut into slices, each packed block by block by the task that searches it, with lists of its own, and a
// row's lists are merged at the end; a single row needs no packing. Since the order of candidates is total (see
// kernels/nearest.h), neither way, slice nor thread leaves a trace.
#include <math.h>
#include <string.h>

#include <algorithm>

#include "../cpu.h"
#include "blocks.h"
#include "gallery.h"
#include "moments.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kMostLeftFloats = size_t{1} << 20;    // 4 MiB of packed rows
constexpr size_t kMostRanks = size_t{4} << 20;         // 32 MiB of lists
constexpr size_t kLeastRoom = 22;                      // of a list beyond k: cutting it down must be rare
constexpr size_t kChunkFloats = size_t{1} << 20;       // 4 MiB of packed columns, shared
constexpr size_t kBlockFloats = size_t{96} << 10;      // 384 KiB of them at a time, for the second level of cache
constexpr size_t kMostBlockCols = 256;
constexpr size_t kFewRows = 48;                        // below which columns are packed where they are used, not in shared chunks
constexpr size_t kTasks = 16;
constexpr size_t kFewestSliceCols = 1024;              // and at least four times k
constexpr size_t kPanelsPerPackTask = 8;
constexpr size_t kDifferenceRows = 32, kDifferenceFloats = size_t{32} << 10;
constexpr size_t kRowsPerMerge = 16;

// Columns ready for a kernel.
struct Columns {
  const float* rows;  // null where they are packed alone
  const float* panels;
  const float* norms;
};

struct Scratch {
  float *panels, *norms, *wide, *values, *row;
  Moments* moments;
};

void Shrink(uint64_t* list, size_t k) {
  uint64_t* const ranks = list + kListHead;
  std::nth_element(ranks, ranks + k - 1, ranks + list[kListCount]);
  list[kListCount] = k;
  list[kListBound] = ranks[k - 1];
}

class Search {
 public:
  Search(const NearestOp& op, const std::atomic<bool>* cancel)
      : op_(op), cancel_(cancel), kernels_(op.packed != nullptr ? *op.packed->kernels : CurrentKernels()) {
    threads_ = ThreadsFor(op.n, op.m, op.d);
    differences_ = op.metric == Metric::kManhattan || op.metric == Metric::kSnr;
    cosine_ = op.metric == Metric::kCosineSimilarity || op.metric == Metric::kCosineDistance;
    const size_t unit = kernels_.tile_cols;
    row_block_ = Least(op.n, Most(kMostLeftFloats / op.d, kernels_.tile_rows));
    capacity_ = op.k + Most(op.k, kLeastRoom);
    stride_ = kListHead + capacity_;
    row_block_ = Least(row_block_, Most(kMostRanks / stride_, 1));
    row_block_ = DivideUp(op.n, DivideUp(op.n, row_block_));  // equal blocks
    shared_ = !differences_ && row_block_ >= kFewRows;
    col_block_ = differences_ ? Most(Least(kDifferenceFloats / (op.d + 1), kMostBlockCols), 8)
                              : RoundUp(Most(Least(kBlockFloats / op.d, kMostBlockCols), 1), unit);
    chunk_ = RoundUp(Most(kChunkFloats / op.d, col_block_), col_block_);
    chunk_ = Least(chunk_, RoundUp(op.m, col_block_));
    runs_ = differences_ ? DivideUp(row_block_, kDifferenceRows) : 1;
    if (!shared_ && runs_ < kTasks) slices_ = Least(kTasks, op.m / Most(kFewestSliceCols, 4 * op.k));
    slices_ = Most(Least(slices_, kMostRanks / (row_block_ * stride_)), 1);
    ready_ = op.packed != nullptr && op.packed->panels != nullptr;
    direct_ = !differences_ && op.packed == nullptr && op.n == 1;
  }

  Status operator()() {
    if (!Allocate()) return Status::kOutOfMemory;
    if (op_.metric == Metric::kSnr) {
      const Status status = AllMoments(kernels_, {op_.x, op_.n, op_.d, true}, x_moments_, cancel_, threads_);
      if (status != Status::kOk) return status;
    }
    for (first_row_ = 0; first_row_ < op_.n; first_row_ += row_block_) {
      rows_ = Least(row_block_, op_.n - first_row_);
      for (size_t i = 0; i < slices_ * row_block_; i++) {
        lists_[i * stride_ + kListBound] = kNoRank;
        lists_[i * stride_ + kListCount] = 0;
        limits_[i] = NAN;
      }
      for (size_t s = 0; op_.within != nullptr && s < slices_; s++) {
        kernels_.bound_lists(op_.within + first_row_, rows_, op_.metric, lists_ + s * row_block_ * stride_, stride_, limits_ + s * row_block_);
      }
      Status status = differences_ ? Differences() : PackRows();
      if (status == Status::kOk && !differences_) status = shared_ ? Shared() : Slices();
      if (status == Status::kOk) status = Finish();
      if (status != Status::kOk) return status;
    }
    return Status::kOk;
  }

 private:
  bool Allocate() {
    const size_t d = op_.d, block = shared_ ? chunk_ : col_block_;
    const bool pack = !differences_ && !ready_;
    const bool halves = op_.half_gallery != nullptr || (op_.packed != nullptr && op_.packed->half_rows != nullptr);
    workers_ = static_cast<size_t>(threads_);
    const size_t own = shared_ ? 1 : workers_;  // of what a task packs for itself
    const size_t left = space_.Add<float>(differences_ ? 0 : DivideUp(row_block_, kernels_.tile_rows) * kernels_.left_width * d);
    const size_t left_norms = space_.Add<float>(row_block_);
    const size_t lists = space_.Add<uint64_t>(slices_ * row_block_ * stride_), limits = space_.Add<float>(slices_ * row_block_);
    const size_t merged = space_.Add<uint64_t>((slices_ * capacity_ + op_.k) * workers_);
    const size_t x_moments = space_.Add<Moments>(op_.metric == Metric::kSnr ? op_.n : 0);
    const size_t panels = space_.Add<float>(pack && !direct_ ? RoundUp(block, kernels_.tile_cols) * d * own : 0);
    const size_t norms = space_.Add<float>(pack ? RoundUp(block, kernels_.tile_cols) * own : 0);
    const size_t wide = space_.Add<float>(halves ? block * d * own : 0);
    const size_t values = space_.Add<float>((differences_ ? kDifferenceRows * col_block_ : direct_ ? col_block_ : 0) * workers_);
    const size_t row = space_.Add<float>(op_.packed != nullptr ? d * workers_ : 0);
    const size_t moments = space_.Add<Moments>(op_.metric == Metric::kSnr ? col_block_ * workers_ : 0);
    if (!space_.Allocate()) return false;
    left_ = space_.At<float>(left);
    left_norms_ = space_.At<float>(left_norms);
    lists_ = space_.At<uint64_t>(lists);
    limits_ = space_.At<float>(limits);
    merged_ = space_.At<uint64_t>(merged);
    x_moments_ = space_.At<Moments>(x_moments);
    scratch_ = {space_.At<float>(panels), space_.At<float>(norms), space_.At<float>(wide),
                space_.At<float>(values), space_.At<float>(row),   space_.At<Moments>(moments)};
    return true;
  }

  // What a worker has for itself.
  Scratch Own(int worker) const {
    const size_t w = static_cast<size_t>(worker), block = RoundUp(col_block_, kernels_.tile_cols);
    const Scratch& all = scratch_;
    return {all.panels + w * block * op_.d,
            all.norms + w * block,
            all.wide + w * col_block_ * op_.d,
            all.values + w * (differences_ ? kDifferenceRows * col_block_ : col_block_),
            all.row + w * op_.d,
            all.moments + w * col_block_};
  }

  bool Cancelled() const { return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed); }

  Selection SelectionOf(size_t slice, size_t row, size_t col) const {
    const size_t at = slice * row_block_ + row;
    const bool labelled = op_.filter != Filter::kNone;
    return {lists_ + at * stride_,
            limits_ + at,
            op_.k,
            capacity_,
            Shrink,
            first_row_ + row,
            col,
            op_.exclude_self,
            op_.filter,
            labelled ? op_.labels + first_row_ + row : nullptr,
            labelled ? op_.gallery_labels + col : nullptr,
            nullptr,
            nullptr,
            op_.beyond != nullptr ? op_.beyond + first_row_ + row : nullptr};
  }

  Status PackRows() {
    memset(left_norms_, 0, rows_ * sizeof(float));
    const size_t panels = DivideUp(rows_, kernels_.tile_rows);
    const auto pack = [&](size_t task, int) {
      const size_t first = task * kPanelsPerPackTask, last = Least(first + kPanelsPerPackTask, panels);
      kernels_.pack_left({op_.x + first_row_ * op_.d, op_.d, 1}, rows_, op_.d, first, last, left_);
      kernels_.norms_left(left_, rows_, op_.d, first, last, left_norms_);
    };
    const Status status = ParallelFor(DivideUp(panels, kPanelsPerPackTask), pack, cancel_, threads_);
    if (status == Status::kOk && cosine_) kernels_.invert_norms(left_norms_, rows_);
    return status;
  }

  const float* RowsOf(size_t col, size_t count, float* wide) const {
    const float* const rows = op_.packed != nullptr ? op_.packed->rows : op_.gallery;
    if (rows != nullptr) return rows + col * op_.d;
    const uint16_t* const halves = op_.packed != nullptr ? op_.packed->half_rows : op_.half_gallery;
    kernels_.widen(halves + col * op_.d, count * op_.d, wide);
    return wide;
  }

  Columns PackColumns(size_t col, size_t count, const Scratch& to) const {
    if (ready_) return {nullptr, op_.packed->panels + col * op_.d, op_.packed->norms + col};
    if (op_.packed != nullptr) {
      kernels_.widen(op_.packed->half_panels + col * op_.d, RoundUp(count, kernels_.tile_cols) * op_.d, to.panels);
      return {nullptr, to.panels, op_.packed->norms + col};
    }
    const float* rows = RowsOf(col, count, to.wide);
    kernels_.pack_right({rows, op_.d, 1}, count, op_.d, to.panels);
    if (op_.metric != Metric::kDot) {
      memset(to.norms, 0, count * sizeof(float));
      kernels_.norms_right(to.panels, count, op_.d, to.norms);
    }
    if (cosine_) kernels_.invert_norms(to.norms, count);
    return {rows, to.panels, to.norms};
  }

  // Panels of rows [first, last) against a block of columns.
  void Multiply(const Columns& columns, size_t col, size_t count, size_t first, size_t last, size_t slice, float* row) const {
    Selection to = SelectionOf(slice, 0, col);
    to.panels = columns.panels;
    to.row = row;
    // The epilogue stores nothing: `out` only has to be a place that may be pointed into.
    const PanelProduct product{left_, columns.panels, const_cast<float*>(columns.panels), 0, rows_, count, op_.d, first, last, false};
    kernels_.multiply_to_nearest(product, {op_.x + first_row_ * op_.d, columns.rows, left_norms_, columns.norms, op_.d, op_.metric}, to);
  }

  Status Shared() {
    const size_t panels = DivideUp(rows_, kernels_.tile_rows), runs = Least(kTasks, panels), d = op_.d;
    for (size_t start = 0; start < op_.m; start += chunk_) {
      const size_t cols = Least(chunk_, op_.m - start), blocks = DivideUp(cols, col_block_);
      const auto place = [&](size_t block) {
        const size_t at = block * col_block_;
        return Scratch{scratch_.panels + at * d, scratch_.norms + at, scratch_.wide + at * d, nullptr, nullptr, nullptr};
      };
      const auto pack = [&](size_t block, int) {
        PackColumns(start + block * col_block_, Least(col_block_, cols - block * col_block_), place(block));
      };
      Status status = ready_ ? Status::kOk : ParallelFor(blocks, pack, cancel_, threads_);
      if (status != Status::kOk) return status;
      const auto run = [&](size_t index, int worker) {
        float* const row = scratch_.row + static_cast<size_t>(worker) * d;
        for (size_t block = 0; block < blocks; block++) {
          const size_t at = block * col_block_, col = start + at;
          const Scratch packed = place(block);
          const float* rows = op_.packed != nullptr ? nullptr : op_.gallery != nullptr ? op_.gallery + col * d : packed.wide;
          const float* norms = op_.packed != nullptr ? op_.packed->norms + col : packed.norms;
          const Columns columns{rows, ready_ ? op_.packed->panels + col * d : packed.panels, norms};
          Multiply(columns, col, Least(col_block_, cols - at), index * panels / runs, (index + 1) * panels / runs, 0, row);
        }
      };
      status = ParallelFor(runs, run, cancel_, threads_);
      if (status != Status::kOk) return status;
    }
    return Status::kOk;
  }

  // Calls block(col, count) for each block of columns of the slice.
  template <class Function>
  void EachBlock(size_t slice, const Function& block) const {
    const size_t blocks = DivideUp(op_.m, col_block_);
    for (size_t b = slice * blocks / slices_; b < (slice + 1) * blocks / slices_ && !Cancelled(); b++) {
      block(b * col_block_, Least(col_block_, op_.m - b * col_block_));
    }
  }

  Status Slices() {
    const size_t panels = DivideUp(rows_, kernels_.tile_rows);
    const auto search = [&](size_t slice, int worker) {
      const Scratch own = Own(worker);
      EachBlock(slice, [&](size_t col, size_t count) {
        if (direct_) return Direct(col, count, slice, own);
        // A panel of bfloat16 is widened for the first level of cache; rows that are to be packed come in larger blocks.
        const size_t step = op_.packed != nullptr && !ready_ ? kernels_.tile_cols : count;
        for (size_t at = 0; at < count; at += step) {
          const size_t some = Least(step, count - at);
          Multiply(PackColumns(col + at, some, own), col + at, some, 0, panels, slice, own.row);
        }
      });
    };
    const Status status = ParallelFor(slices_, search, cancel_, threads_);
    return status == Status::kOk && Cancelled() ? Status::kAborted : status;
  }

  // One row of x against rows that are not packed. bfloat16 ones are widened a few at a time, for the first level of cache.
  void Direct(size_t col, size_t count, size_t slice, const Scratch& own) const {
    const size_t step = op_.half_gallery != nullptr ? kernels_.tile_cols : count;
    for (const size_t end = col + count; col < end; col += step) {
      const size_t some = Least(step, end - col);
      const float* rows = RowsOf(col, some, own.wide);
      kernels_.row_products(op_.x, rows, some, op_.d, own.values, own.norms);
      if (cosine_) kernels_.invert_norms(own.norms, some);
      kernels_.dots_to_nearest(own.values, some, {op_.x, rows, left_norms_, own.norms, op_.d, op_.metric}, SelectionOf(slice, 0, col));
    }
  }

  Status Differences() {
    const size_t runs = DivideUp(rows_, kDifferenceRows), d = op_.d;
    const bool snr = op_.metric == Metric::kSnr;
    const auto search = [&](size_t task, int worker) {
      const Scratch own = Own(worker);
      const size_t slice = task / runs, row = task % runs * kDifferenceRows, count = Least(kDifferenceRows, rows_ - row);
      EachBlock(slice, [&](size_t col, size_t cols) {
        const float* y = RowsOf(col, cols, own.wide);
        const Moments* moments = own.moments;
        if (snr && op_.packed != nullptr) moments = op_.packed->moments + col;
        if (snr && op_.packed == nullptr) kernels_.row_moments(y, cols, d, true, own.moments);
        const size_t at = first_row_ + row;
        kernels_.differences({op_.x + at * d, y, snr ? x_moments_ + at : nullptr, moments, own.values, cols, count, cols, d, op_.metric});
        kernels_.values_to_nearest(own.values, count, cols, SelectionOf(slice, row, col));
      });
    };
    const Status status = ParallelFor(runs * slices_, search, cancel_, threads_);
    return status == Status::kOk && Cancelled() ? Status::kAborted : status;
  }

  // A row's lists into one, sorted.
  Status Finish() {
    const size_t k = op_.k;
    const auto some = [&](size_t block, int worker) {
      uint64_t* const merged = merged_ + static_cast<size_t>(worker) * (slices_ * capacity_ + k);
      for (size_t row = block * kRowsPerMerge; row < Least((block + 1) * kRowsPerMerge, rows_); row++) {
        uint64_t* end = merged;
        for (size_t s = 0; s < slices_; s++) {
          const uint64_t* list = lists_ + (s * row_block_ + row) * stride_;
          end = std::copy_n(list + kListHead, list[kListCount], end);
        }
        while (end < merged + k) *end++ = kNoRank;
        if (end > merged + k) std::nth_element(merged, merged + k, end);
        std::sort(merged, merged + k);
        const size_t at = (first_row_ + row) * k;
        kernels_.decode_ranks(merged, k, op_.metric, op_.indices + at, op_.distances + at);
      }
    };
    return ParallelFor(DivideUp(rows_, kRowsPerMerge), some, cancel_, threads_);
  }

  const NearestOp& op_;
  const std::atomic<bool>* cancel_;
  const KernelTable& kernels_;
  int threads_;
  bool differences_, cosine_, shared_, direct_;
  bool ready_;  // panels that need not be packed, nor widened
  size_t row_block_, col_block_, chunk_, runs_, slices_ = 1, workers_ = 1, capacity_, stride_;
  Workspace space_;
  float *left_ = nullptr, *left_norms_ = nullptr, *limits_ = nullptr;
  uint64_t *lists_ = nullptr, *merged_ = nullptr;
  Moments* x_moments_ = nullptr;
  Scratch scratch_{};
  size_t first_row_ = 0, rows_ = 0;
};

}  // namespace

Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept {
  if (op.n == 0 || op.k == 0) return Status::kOk;
  return Search(op, cancel)();
}

}  // namespace hypersphere
