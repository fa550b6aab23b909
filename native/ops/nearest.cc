// Exact nearest neighbours without the distance matrix. The rows of x are packed once for all. With many of them the gallery
// goes by in chunks, packed by all threads and then run against by each task's own rows: every row has one list. With few of
// them the gallery is cut into slices, each packed block by block by the task that searches it, with lists of its own, and a
// row's lists are merged at the end; a few rows need no packing. Where the CPU multiplies bytes, a first stretch of the gallery
// sets the bounds and a coarse pass goes over the rest (coarse.h). Since the order of candidates is total (see kernels/nearest.h),
// neither way, slice nor thread leaves a trace.
#include <math.h>
#include <string.h>

#include <algorithm>
#include <array>

#include "../cpu.h"
#include "blocks.h"
#include "coarse.h"
#include "gallery.h"
#include "moments.h"
#include "ops.h"
#include "search_plan.h"
#include "workspace.h"

namespace hypersphere {
namespace {

void Shrink(uint64_t* list, size_t k) {
  uint64_t* const ranks = list + kListHead;
  std::nth_element(ranks, ranks + k - 1, ranks + list[kListCount]);
  list[kListCount] = k;
  list[kListBound] = ranks[k - 1];
}

class Search : private SearchPlan {
 public:
  Search(const NearestOp& op, const KernelTable& kernels, const std::atomic<bool>* cancel)
      : SearchPlan(op, kernels), cancel_(cancel), pass_(kernels, op.metric, op.d) {}

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
    workers_ = static_cast<size_t>(threads_);
    const size_t own = shared_ ? 1 : workers_;  // of what a task packs for itself
    const size_t spare = shared_ && coarse_ ? workers_ : 0;  // and of what it packs where the coarse pass fails
    const size_t left = space_.Add<float>(differences_ ? 0 : DivideUp(row_block_, kernels_.tile_rows) * kernels_.left_width * d);
    const size_t left_norms = space_.Add<float>(row_block_);
    const size_t lists = space_.Add<uint64_t>(slices_ * row_block_ * stride_), limits = space_.Add<float>(slices_ * row_block_);
    const size_t merged = space_.Add<uint64_t>((slices_ * capacity_ + op_.k) * workers_);
    const size_t x_moments = space_.Add<Moments>(op_.metric == Metric::kSnr ? op_.n : 0);
    const size_t panels = space_.Add<float>(pack && !direct_ ? (RoundUp(block, kernels_.tile_cols) * own + RoundUp(col_block_, kernels_.tile_cols) * spare) * d : 0);
    const size_t norms = space_.Add<float>(pack ? RoundUp(block, kernels_.tile_cols) * own + RoundUp(col_block_, kernels_.tile_cols) * spare : 0);
    const size_t wide = space_.Add<float>(halves_ ? (block * own + col_block_ * spare) * d : 0);
    const size_t values = space_.Add<float>((differences_ ? kDifferenceRows * col_block_ : direct_ ? row_block_ * col_block_ : 0) * workers_);
    const size_t row = space_.Add<float>(op_.packed != nullptr ? d * workers_ : 0);
    const size_t moments = space_.Add<Moments>(op_.metric == Metric::kSnr ? col_block_ * workers_ : 0);
    if (coarse_) PlanCoarse();
    if (!space_.Allocate()) return false;
    if (coarse_) pass_.Place(space_);
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

  void PlanCoarse() {
    pass_.Plan(space_, row_block_, slices_ * row_block_);
    const size_t padded = op_.quantized != nullptr ? 0 : RoundUp(shared_ ? chunk_ : col_block_ * workers_, kernels_.tile_cols);
    const size_t each = workers_ * col_block_;
    coarse_places_ = {space_.Add<uint8_t>(padded * CoarseBytes(op_.d)), space_.Add<float>(padded), space_.Add<float>(padded),
                      space_.Add<float>(padded), space_.Add<int32_t>(padded), space_.Add<uint8_t>((col_block_ * CoarseBytes(op_.d) + kMostPending) * workers_),
                      space_.Add<float>(kCoarseTerms * each), space_.Add<float>(halves_ ? kMostPending * op_.d * workers_ : 0)};
  }

  // For a block of columns from `col` on, which lies, quantised, from place `at` of the shared chunk on unless the gallery keeps it so.
  CoarseScratch OwnCoarse(int worker, size_t col, size_t at) const {
    const size_t w = static_cast<size_t>(worker), steps = CoarseSteps(op_.d);
    const CoarseSide here{space_.At<uint8_t>(coarse_places_[0]),
                          {space_.At<float>(coarse_places_[1]), space_.At<float>(coarse_places_[2]), space_.At<float>(coarse_places_[3]),
                           space_.At<int32_t>(coarse_places_[4])}};
    return {op_.quantized != nullptr ? op_.quantized->At(col, steps) : here.At(shared_ ? at : w * col_block_, steps),
            space_.At<uint8_t>(coarse_places_[5]) + w * (col_block_ * CoarseBytes(op_.d) + kMostPending),
            space_.At<float>(coarse_places_[6]) + w * kCoarseTerms * col_block_, space_.At<float>(coarse_places_[7]) + w * kMostPending * op_.d};
  }

  // What a worker has for itself.
  Scratch Own(int worker) const {
    const size_t w = static_cast<size_t>(worker), block = RoundUp(col_block_, kernels_.tile_cols), shared = shared_ ? chunk_ : 0;
    const Scratch& all = scratch_;
    return {all.panels + (shared + w * block) * op_.d,
            all.norms + shared + w * block,
            all.wide + (shared + w * col_block_) * op_.d,
            all.values + w * (differences_ ? kDifferenceRows : row_block_) * col_block_,
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
            nullptr, nullptr,
            op_.beyond != nullptr ? op_.beyond + first_row_ + row : nullptr};
  }

  Status PackRows() {
    memset(left_norms_, 0, rows_ * sizeof(float));
    const size_t panels = DivideUp(rows_, kernels_.tile_rows);
    const auto pack = [&](size_t task, int) {
      const size_t first = task * kPanelsPerPackTask, last = Least(first + kPanelsPerPackTask, panels);
      kernels_.pack_left({op_.x + first_row_ * op_.d, op_.d, 1}, rows_, op_.d, first, last, left_);
      kernels_.norms_left(left_, rows_, op_.d, first, last, left_norms_);
      if (coarse_) pass_.PackRows(op_.x + first_row_ * op_.d, rows_, first, last);
    };
    const Status status = ParallelFor(DivideUp(panels, kPanelsPerPackTask), pack, cancel_, threads_);
    if (coarse_ && status == Status::kOk) {
      pass_.FinishRows(rows_);
      for (size_t i = 0; i < slices_ * row_block_; i++) pass_.pending()[i].count = 0;
    }
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

  ReadyColumns PackColumns(size_t col, size_t count, const Scratch& to) const {
    if (ready_) return {nullptr, op_.packed->panels + col * op_.d, op_.packed->norms + col};
    if (op_.packed != nullptr && op_.packed->half_panels != nullptr) {
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

  void QuantizeBlock(size_t col, size_t count, float* wide, const CoarseScratch& to) const {
    if (op_.quantized != nullptr) return;
    QuantizeColumns(kernels_, RowsOf(col, count, wide), count, op_.d, to.bytes, to.columns);
  }

  CoarseRest RestOf(size_t slice, float* wide) const {
    return {op_.gallery, op_.half_gallery, wide, pass_.pending() + slice * row_block_};
  }

  DistanceBlock RowsBlock() const { return {op_.x + first_row_ * op_.d, nullptr, left_norms_, nullptr, op_.d, op_.metric}; }

  // The coarse pass over a block of columns, and the product over what it leaves.
  void Sift(const CoarseScratch& coarse, size_t col, size_t count, size_t first, size_t last, size_t slice, const Scratch& own) {
    pass_.ColumnTerms(coarse.columns, count, col_block_, coarse.terms);
    const CoarseRest rest = RestOf(slice, coarse.wide);
    const Selection to = SelectionOf(slice, 0, col);
    for (size_t p = first; p < last; p++) {
      const size_t done = pass_.Run(coarse.columns, coarse.terms, count, col_block_, rows_, p, rest, RowsBlock(), to);
      if (done == count) continue;
      Multiply(PackColumns(col + done, count - done, own), col + done, count - done, p, p + 1, slice, own.row, coarse.wide);
    }
  }

  // Panels of rows [first, last) against a block of columns. Columns come in order, so none may wait.
  void Multiply(const ReadyColumns& columns, size_t col, size_t count, size_t first, size_t last, size_t slice, float* row, float* wide) const {
    Selection to = SelectionOf(slice, 0, col);
    if (coarse_) SettleRows(slice, kernels_.panel_start(rows_, first), kernels_.panel_start(rows_, last), wide);
    to.panels = columns.panels;
    to.row = row;
    // The epilogue stores nothing: `out` only has to be a place that may be pointed into.
    const PanelProduct product{left_, columns.panels, const_cast<float*>(columns.panels), 0, rows_, count, op_.d, first, last, false};
    kernels_.multiply_to_nearest(product, {op_.x + first_row_ * op_.d, columns.rows, left_norms_, columns.norms, op_.d, op_.metric}, to);
  }

  void SettleRows(size_t slice, size_t first, size_t last, float* wide) const {
    const CoarseRest rest = RestOf(slice, wide);
    for (size_t row = first; row < last; row++) {
      if (rest.pending[row].count != 0) kernels_.coarse->settle(rest, RowsBlock(), SelectionOf(slice, 0, 0), row);
    }
  }

  Status Shared() {
    const size_t panels = DivideUp(rows_, kernels_.tile_rows), runs = Least(kTasks, panels), d = op_.d;
    for (size_t start = 0, cols; start < op_.m; start += cols) {
      const bool coarse = coarse_ && start >= start_ && pass_.Worthwhile();
      cols = Least(Least(chunk_, op_.m - start), start < start_ ? start_ - start : chunk_);
      const size_t blocks = DivideUp(cols, col_block_);
      const auto place = [&](size_t block) {
        const size_t at = block * col_block_;
        return Scratch{scratch_.panels + at * d, scratch_.norms + at, scratch_.wide + at * d, nullptr, nullptr, nullptr};
      };
      const auto pack = [&](size_t block, int worker) {
        const size_t at = block * col_block_, count = Least(col_block_, cols - at);
        if (coarse) {
          QuantizeBlock(start + at, count, Own(worker).wide, OwnCoarse(worker, start + at, at));
        } else {
          PackColumns(start + at, count, place(block));
        }
      };
      Status status = ready_ ? Status::kOk : ParallelFor(blocks, pack, cancel_, threads_);
      if (status != Status::kOk) return status;
      const auto run = [&](size_t index, int worker) {
        const Scratch own = Own(worker);
        const size_t first = index * panels / runs, last = (index + 1) * panels / runs;
        for (size_t block = 0; block < blocks; block++) {
          const size_t at = block * col_block_, col = start + at, count = Least(col_block_, cols - at);
          const CoarseScratch own_coarse = coarse_ ? OwnCoarse(worker, col, at) : CoarseScratch{};
          if (coarse) {
            Sift(own_coarse, col, count, first, last, 0, own);
            continue;
          }
          const Scratch packed = place(block);
          const bool panels_alone = op_.packed != nullptr;
          const float* rows = panels_alone ? nullptr : op_.gallery != nullptr ? op_.gallery + col * d : packed.wide;
          const float* norms = panels_alone ? op_.packed->norms + col : packed.norms;
          const ReadyColumns columns{rows, ready_ ? op_.packed->panels + col * d : packed.panels, norms};
          Multiply(columns, col, count, first, last, 0, own.row, own_coarse.wide);
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
    const size_t blocks = DivideUp(op_.m - start_, col_block_);
    for (size_t b = slice * blocks / slices_; b < (slice + 1) * blocks / slices_ && !Cancelled(); b++) {
      const size_t col = start_ + b * col_block_;
      block(col, Least(col_block_, op_.m - col));
    }
  }

  Status Slices() {
    const size_t panels = DivideUp(rows_, kernels_.tile_rows);
    if (coarse_) Start(panels);
    const auto search = [&](size_t slice, int worker) {
      const Scratch own = Own(worker);
      EachBlock(slice, [&](size_t col, size_t count) {
        if (coarse_ && pass_.Worthwhile()) {
          const CoarseScratch own_coarse = OwnCoarse(worker, col, 0);
          QuantizeBlock(col, count, own.wide, own_coarse);
          return Sift(own_coarse, col, count, 0, panels, slice, own);
        }
        if (direct_) return Direct(col, count, slice, own);
        // A panel of bfloat16 is widened for the first level of cache; rows that are to be packed come in larger blocks.
        const size_t step = op_.packed != nullptr && op_.packed->half_panels != nullptr ? kernels_.tile_cols : count;
        float* const wide = coarse_ ? OwnCoarse(worker, col, 0).wide : nullptr;
        for (size_t at = 0; at < count; at += step) {
          const size_t some = Least(step, count - at);
          Multiply(PackColumns(col + at, some, own), col + at, some, 0, panels, slice, own.row, wide);
        }
      });
    };
    const Status status = ParallelFor(slices_, search, cancel_, threads_);
    return status == Status::kOk && Cancelled() ? Status::kAborted : status;
  }

  // The first columns, for all slices: bounds that let little pass.
  void Start(size_t panels) const {
    const Scratch own = Own(0);
    for (size_t col = 0; col < start_; col += col_block_) {
      Multiply(PackColumns(col, col_block_, own), col, col_block_, 0, panels, 0, own.row, OwnCoarse(0, col, 0).wide);
    }
    for (size_t i = rows_; i < slices_ * row_block_; i++) {
      const size_t row = i % row_block_;
      if (i < row_block_ || row >= rows_) continue;
      lists_[i * stride_ + kListBound] = lists_[row * stride_ + kListBound];
      limits_[i] = limits_[row];
    }
  }

  // Few rows of x against rows that are not packed. bfloat16 ones are widened a few at a time, for the first level of cache.
  void Direct(size_t col, size_t count, size_t slice, const Scratch& own) const {
    const size_t step = halves_ ? kernels_.tile_cols : count;
    for (const size_t end = col + count; col < end; col += step) {
      const size_t some = Least(step, end - col);
      const float* rows = RowsOf(col, some, own.wide);
      const float* const x = op_.x + first_row_ * op_.d;
      kernels_.row_products(x, rows_, rows, some, op_.d, own.values, col_block_, own.norms);
      if (cosine_) kernels_.invert_norms(own.norms, some);
      for (size_t row = 0; row < rows_; row++) {
        const DistanceBlock block{x + row * op_.d, rows, left_norms_ + row, own.norms, op_.d, op_.metric};
        kernels_.dots_to_nearest(own.values + row * col_block_, some, block, SelectionOf(slice, row, col));
      }
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
          if (coarse_) SettleRows(s, row, row + 1, OwnCoarse(worker, 0, 0).wide);
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

  const std::atomic<bool>* cancel_;
  CoarsePass pass_;
  size_t workers_ = 1;
  std::array<size_t, 8> coarse_places_{};
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
  if (op.packed == nullptr) return Search(op, CurrentKernels(), cancel)();
  return Search(op.packed->quantized.panels != nullptr ? op.packed->InRows(op) : op, *op.packed->kernels, cancel)();
}

}  // namespace hypersphere
