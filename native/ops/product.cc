// The blocking of A·Bᵀ. Blocks of rows are packed once, by all threads, and shared; then each task packs a block of columns
// for itself, small enough for the second level of cache, and runs it against a run of those rows. Where the depth is
// blocked too, `out` carries the sums from one depth block to the next. All sizes follow from the shape alone.
//
// Self-distances are computed on one side of the diagonal, in blocks that stay in the second level of cache and leave from there
// twice, as they are and transposed, past the caches where the result is too large for them.
#include "product.h"

#include "../cpu.h"
#include "blocks.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kMostRightFloats = size_t{96} << 10;  // 384 KiB of packed columns a task
constexpr size_t kMostRightCols = 256;
constexpr size_t kMostLeftFloats = size_t{1} << 20;  // 4 MiB of packed rows, shared
constexpr size_t kFewestRows = 256;                  // of a task: packing its columns again must not show
constexpr size_t kWantedTasks = 16;
constexpr size_t kFewestMirrored = 512, kLeastMirroredDepth = 64;  // from which half the product saves more than mirroring costs
constexpr size_t kDiagonalPanels = 4;  // at a time on the diagonal, where narrow steps leave more of the other side out
constexpr size_t kFewestStreamed = size_t{8} << 20;  // floats of a result, 32 MiB

// Equal blocks of at most `most`, whole multiples of `unit`.
size_t BlockOf(size_t total, size_t most, size_t unit) {
  const size_t blocks = DivideUp(total, Most(most, 1));
  return RoundUp(Most(DivideUp(total, Most(blocks, 1)), 1), unit);
}

struct Span {
  size_t start, count;
};

class Run {
 public:
  Run(const ProductOp& op, const ProductSetting& setting, const std::atomic<bool>* cancel) : op_(op), cancel_(cancel), kernels_(setting.kernels) {
    threads_ = ThreadsFor(op.rows, op.cols, op.depth, setting.threads);
    depth_block_ = BlockOf(op.depth, kMostDepth, 1);
    col_block_ = BlockOf(op.cols, Least(kMostRightFloats / depth_block_, kMostRightCols), kernels_.tile_cols);
    col_blocks_ = DivideUp(op.cols, col_block_);
    // Sums and products commute, and so does every epilogue: the lower triangle has the bits of the upper one.
    const bool itself = op.distances != nullptr && op.distances->x == op.distances->y && op.rows == op.cols;
    symmetric_ = itself && op.rows >= kFewestMirrored && op.depth >= kLeastMirroredDepth;
    // A block of columns on the diagonal lies in one block of rows: sums that later rows leave in `out` from one depth block to the
    // next must not fall on what was mirrored before.
    const size_t row_unit = symmetric_ ? col_block_ : kernels_.tile_rows;
    row_block_ = BlockOf(op.rows, Most(kMostLeftFloats / depth_block_, row_unit), row_unit);
    streamed_ = symmetric_ && op.rows * op.cols >= kFewestStreamed;
    row_runs_ = Most(Least(DivideUp(kWantedTasks, col_blocks_), Least(op.rows, row_block_) / kFewestRows), 1);
    Plan();
  }

  size_t Bytes() const { return layout_.bytes(); }

  // In memory of so many bytes.
  Status operator()(char* memory) {
    Place(memory);
    layout_.CloseGaps(memory);
    const Status status = RowBlocks();
    layout_.OpenGaps(memory);
    return status;
  }

 private:
  Status RowBlocks() {
    for (rows_.start = 0; rows_.start < op_.rows; rows_.start += row_block_) {
      rows_.count = Least(row_block_, op_.rows - rows_.start);
      depth_.start = 0;
      do {
        depth_.count = Least(depth_block_, op_.depth - depth_.start);
        const Status status = DepthBlock();
        if (status != Status::kOk) return status;
        depth_.start += depth_.count;
      } while (depth_.start < op_.depth);
    }
    return Status::kOk;
  }

  void Plan() {
    const size_t right_floats = col_block_ * depth_block_, padded = RoundUp(op_.cols, kernels_.tile_cols);
    const size_t workers = Least(static_cast<size_t>(threads_), col_blocks_ * row_runs_);
    places_[0] = layout_.Add<float>(DivideUp(Least(row_block_, op_.rows), kernels_.tile_rows) * kernels_.left_width * depth_block_);
    places_[1] = layout_.Add<float>(right_floats * workers);
    places_[2] = layout_.Add<float>(op_.distances ? row_block_ : 0);
    places_[3] = layout_.Add<float>(op_.distances ? padded : 0);
    places_[4] = layout_.Add<float>(op_.distances ? col_block_ * workers : 0);
    places_[5] = layout_.Add<float>(symmetric_ ? kBlockRows * BlockStride() * workers : 0);
  }

  void Place(char* memory) {
    float** const arrays[] = {&left_, &right_, &left_norms_, &right_norms_, &own_norms_, &block_};
    for (size_t a = 0; a < kArrays; a++) *arrays[a] = reinterpret_cast<float*>(memory + places_[a]);
  }

  // A line more than the columns: rows a power of two apart would share few places of the cache.
  size_t BlockStride() const { return col_block_ + 16; }
  bool FirstDepth() const { return depth_.start == 0; }
  bool LastDepth() const { return depth_.start + depth_.count == op_.depth; }
  bool Cosine() const {
    return op_.distances->metric == Metric::kCosineSimilarity || op_.distances->metric == Metric::kCosineDistance;
  }

  Rows Part(const Rows& side, size_t first_row) const {
    return {side.data + first_row * side.row_stride + depth_.start * side.depth_stride, side.row_stride, side.depth_stride};
  }

  Status DepthBlock() {
    if (op_.distances != nullptr && FirstDepth()) {
      for (size_t i = 0; i < rows_.count; i++) left_norms_[i] = 0;
    }
    const size_t panels = DivideUp(rows_.count, kernels_.tile_rows);
    const auto pack = [&](size_t task, int) { PackRows(task * kPanelsPerPackTask, Least((task + 1) * kPanelsPerPackTask, panels)); };
    Status status = ParallelFor(DivideUp(panels, kPanelsPerPackTask), pack, cancel_, threads_);
    if (status != Status::kOk) return status;
    if (op_.distances != nullptr && LastDepth() && Cosine()) kernels_.invert_norms(left_norms_, rows_.count);
    const auto multiply = [&](size_t task, int worker) { Columns(task / row_runs_, task % row_runs_, worker); };
    return ParallelFor(col_blocks_ * row_runs_, multiply, cancel_, threads_);
  }

  void PackRows(size_t first, size_t last) {
    kernels_.pack_left(Part(op_.left, rows_.start), rows_.count, depth_.count, first, last, left_);
    if (op_.distances != nullptr) kernels_.norms_left(left_, rows_.count, depth_.count, first, last, left_norms_);
  }

  // One block of columns against one run of the packed rows. Of self-distances the longest columns come first, so that no thread is
  // left with one when the others have finished.
  void Columns(size_t index, size_t run, int worker) {
    const size_t block = symmetric_ ? col_blocks_ - 1 - index : index;
    const Span cols{block * col_block_, Least(col_block_, op_.cols - block * col_block_)};
    const size_t panels = DivideUp(rows_.count, kernels_.tile_rows), first = run * panels / row_runs_;
    const size_t last = Least((run + 1) * panels / row_runs_, symmetric_ ? PanelsDownTo(cols.start + cols.count, panels) : panels);
    if (first >= last) return;
    float* right = right_ + static_cast<size_t>(worker) * col_block_ * depth_block_;
    kernels_.pack_right(Part(op_.right, cols.start), cols.count, depth_.count, right);

    const float* norms = op_.distances != nullptr ? ColumnNorms(right, cols, run == 0 && rows_.start == 0, worker) : nullptr;
    if (LastDepth() && symmetric_) return MultiplyMirrored(right, norms, cols, first, last, worker);
    float* out = op_.out + rows_.start * op_.cols + cols.start;
    Multiply({left_, right, out, op_.cols, rows_.count, cols.count, depth_.count, first, last, !FirstDepth() || op_.accumulate}, norms, cols.start);
  }

  void Multiply(const PanelProduct& product, const float* norms, size_t col) {
    if (op_.distances == nullptr || !LastDepth()) return kernels_.multiply(product);
    const DistancesOp& of = *op_.distances;
    kernels_.multiply_to_distances(product, {of.x + rows_.start * of.d, of.y + col * of.d, left_norms_, norms, of.d, of.metric});
  }

  // One block of columns of self-distances, down to the diagonal, by way of the worker's block. The task owns these columns above
  // the diagonal and these rows left of it. Of its own square on the diagonal it mirrors too, so that most of one side need not be
  // computed; but where sums of earlier depth blocks wait in that square it computes both sides, for those must not be overwritten.
  void MultiplyMirrored(const float* right, const float* norms, Span cols, size_t first, size_t last, int worker) {
    const size_t stride = BlockStride(), most = kBlockRows / kernels_.tile_rows, depth = depth_.count;
    const auto row_of = [&](size_t panel) { return rows_.start + kernels_.panel_start(rows_.count, panel); };
    float* const block = block_ + static_cast<size_t>(worker) * kBlockRows * stride;
    for (size_t panel = first, end; panel < last; panel = end) {
      end = Least(panel + most, last);
      if (FirstDepth() && row_of(end) > cols.start) end = Least(panel + kDiagonalPanels, last);
      const size_t row = row_of(panel), rows = Least(row_of(end), cols.start + cols.count) - row;
      const size_t left_out = FirstDepth() && row > cols.start ? (row - cols.start) / kernels_.tile_cols * kernels_.tile_cols : 0;
      const size_t col = cols.start + left_out, count = cols.count - left_out;
      float* const out = op_.out + row * op_.cols + col;
      if (!FirstDepth()) kernels_.store_block({out, op_.cols, rows, count, block, stride, false});
      Multiply({left_, right + left_out * depth, block, stride, rows_.count, count, depth, panel, end, !FirstDepth(), row - rows_.start},
               norms + left_out, col);
      // Columns that were computed for whole tiles only are another task's to mirror.
      const size_t spare = FirstDepth() && row > col ? row - col : 0, kept = count - spare;
      kernels_.store_block({block + spare, stride, rows, kept, out + spare, op_.cols, streamed_});
      const size_t mirrored = FirstDepth() ? rows : row < cols.start ? Least(rows, cols.start - row) : 0;
      kernels_.store_transposed({block + spare, stride, mirrored, kept, op_.out + (col + spare) * op_.cols + row, op_.cols, streamed_});
    }
  }

  // How many panels of the current rows begin above row `end`: a panel has at least rows / panels rows.
  size_t PanelsDownTo(size_t end, size_t panels) const {
    if (end <= rows_.start) return 0;
    size_t count = Least(DivideUp(end - rows_.start, rows_.count / panels), panels);
    while (kernels_.panel_start(rows_.count, count - 1) >= end - rows_.start) count--;
    return count;
  }

  // Squares of earlier depth blocks are shared, kept by the first run of the first rows, which is never empty; the last block's are
  // added in own memory, so that no two tasks write to one place.
  const float* ColumnNorms(const float* right, Span cols, bool keeper, int worker) {
    float* shared = right_norms_ + cols.start;
    float* own = own_norms_ + static_cast<size_t>(worker) * col_block_;
    if (!LastDepth() && !keeper) return nullptr;
    float* sums = LastDepth() ? own : shared;
    for (size_t j = 0; j < cols.count; j++) sums[j] = FirstDepth() ? 0 : shared[j];
    kernels_.norms_right(right, cols.count, depth_.count, sums);
    if (LastDepth() && Cosine()) kernels_.invert_norms(sums, cols.count);
    return sums;
  }

  const ProductOp& op_;
  const std::atomic<bool>* cancel_;
  const KernelTable& kernels_;
  int threads_;
  bool symmetric_, streamed_;
  size_t depth_block_, row_block_, col_block_, col_blocks_, row_runs_;
  static constexpr size_t kArrays = 6;
  Layout layout_;
  size_t places_[kArrays] = {};
  float *left_ = nullptr, *right_ = nullptr, *left_norms_ = nullptr, *right_norms_ = nullptr, *own_norms_ = nullptr, *block_ = nullptr;
  Span rows_{}, depth_{};
};

// One column is one row of the transpose: a tile is far wider than high.
template <class Function>
auto InForm(ProductOp op, const Function& function) {
  if (op.cols > 1 || op.rows == 1) return function(op);
  DistancesOp turned;
  if (op.distances != nullptr) {
    turned = *op.distances;
    turned.x = op.distances->y;
    turned.y = op.distances->x;
    op.distances = &turned;
  }
  const Rows left = op.left;
  op.left = op.right;
  op.right = left;
  op.cols = op.rows;
  op.rows = 1;
  return function(op);
}

}  // namespace

Status Product(ProductOp op, const std::atomic<bool>* cancel) noexcept {
  if (op.rows == 0 || op.cols == 0) return Status::kOk;
  return InForm(op, [cancel](const ProductOp& formed) {
    Run run(formed, {Threads(), CurrentKernels()}, cancel);
    Workspace space;
    const size_t place = space.Add<char>(run.Bytes());
    return space.Allocate() ? run(space.At<char>(place)) : Status::kOutOfMemory;
  });
}

size_t ProductBytes(const ProductOp& op, const ProductSetting& setting) {
  if (op.rows == 0 || op.cols == 0) return 0;
  return InForm(op, [&](const ProductOp& formed) { return Run(formed, setting, nullptr).Bytes(); });
}

Status Product(const ProductOp& op, const ProductSetting& setting, char* scratch, const std::atomic<bool>* cancel) noexcept {
  if (op.rows == 0 || op.cols == 0) return Status::kOk;
  return InForm(op, [&](const ProductOp& formed) { return Run(formed, setting, cancel)(scratch); });
}

}  // namespace hypersphere
