// The blocking of A·Bᵀ. Blocks of rows are packed once, by all threads, and shared; then each task packs a block of columns
// for itself, small enough for the second level of cache, and runs it against a run of those rows. Where the depth is
// blocked too, `out` carries the sums from one depth block to the next. All sizes follow from the shape alone.
#include "product.h"

#include "../cpu.h"
#include "blocks.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kMostDepth = 768;                   // a left panel of it stays in the first level of cache, or nearly
constexpr size_t kMostRightFloats = size_t{96} << 10;  // 384 KiB of packed columns a task
constexpr size_t kMostRightCols = 256;
constexpr size_t kMostLeftFloats = size_t{1} << 20;  // 4 MiB of packed rows, shared
constexpr size_t kFewestRows = 256;                  // of a task: packing its columns again must not show
constexpr size_t kWantedTasks = 16;
constexpr size_t kPanelsPerPackTask = 8;
constexpr size_t kFewestMirrored = 512, kLeastMirroredDepth = 64;  // from which half the product saves more than mirroring costs
constexpr size_t kMirrorRows = 64;

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
  Run(const ProductOp& op, const std::atomic<bool>* cancel) : op_(op), cancel_(cancel), kernels_(CurrentKernels()) {
    threads_ = ThreadsFor(op.rows, op.cols, op.depth);
    depth_block_ = BlockOf(op.depth, kMostDepth, 1);
    row_block_ = BlockOf(op.rows, Most(kMostLeftFloats / depth_block_, kernels_.tile_rows), kernels_.tile_rows);
    col_block_ = BlockOf(op.cols, Least(kMostRightFloats / depth_block_, kMostRightCols), kernels_.tile_cols);
    col_blocks_ = DivideUp(op.cols, col_block_);
    // Sums and products commute, and so does every epilogue: the lower triangle has the bits of the upper one.
    const bool itself = op.distances != nullptr && op.distances->x == op.distances->y && op.rows == op.cols;
    symmetric_ = itself && op.rows >= kFewestMirrored && op.depth >= kLeastMirroredDepth;
    row_runs_ = Most(Least(DivideUp(kWantedTasks, col_blocks_), Least(op.rows, row_block_) / kFewestRows), 1);
  }

  Status operator()() {
    if (!Allocate()) return Status::kOutOfMemory;
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
    if (!symmetric_) return Status::kOk;
    const auto mirror = [&](size_t block, int) { MirrorRows(block * kMirrorRows); };
    return ParallelFor(DivideUp(op_.rows, kMirrorRows), mirror, cancel_, threads_);
  }

 private:
  bool Allocate() {
    const size_t right_floats = col_block_ * depth_block_, padded = RoundUp(op_.cols, kernels_.tile_cols);
    const size_t workers = Least(static_cast<size_t>(threads_), col_blocks_ * row_runs_);
    const size_t left = space_.Add<float>(DivideUp(Least(row_block_, op_.rows), kernels_.tile_rows) * kernels_.left_width * depth_block_);
    const size_t right = space_.Add<float>(right_floats * workers);
    const size_t left_norms = space_.Add<float>(op_.distances ? row_block_ : 0);
    const size_t right_norms = space_.Add<float>(op_.distances ? padded : 0);
    const size_t own_norms = space_.Add<float>(op_.distances ? col_block_ * workers : 0);
    if (!space_.Allocate()) return false;
    left_ = space_.At<float>(left);
    right_ = space_.At<float>(right);
    left_norms_ = space_.At<float>(left_norms);
    right_norms_ = space_.At<float>(right_norms);
    own_norms_ = space_.At<float>(own_norms);
    return true;
  }

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

  // One block of columns against one run of the packed rows.
  void Columns(size_t block, size_t run, int worker) {
    const Span cols{block * col_block_, Least(col_block_, op_.cols - block * col_block_)};
    const size_t panels = DivideUp(rows_.count, kernels_.tile_rows), first = run * panels / row_runs_;
    const size_t last = Least((run + 1) * panels / row_runs_, symmetric_ ? PanelsDownTo(cols.start + cols.count, panels) : panels);
    if (first >= last) return;
    float* right = right_ + static_cast<size_t>(worker) * col_block_ * depth_block_;
    kernels_.pack_right(Part(op_.right, cols.start), cols.count, depth_.count, right);

    float* out = op_.out + rows_.start * op_.cols + cols.start;
    const PanelProduct product{left_,
                               right,
                               out,
                               op_.cols,
                               rows_.count,
                               cols.count,
                               depth_.count,
                               first,
                               last,
                               !FirstDepth()};
    if (op_.distances == nullptr) return kernels_.multiply(product);

    const float* norms = ColumnNorms(right, cols, run == 0, worker);
    if (!LastDepth()) return kernels_.multiply(product);
    const DistancesOp& of = *op_.distances;
    kernels_.multiply_to_distances(product, {of.x + rows_.start * of.d, of.y + cols.start * of.d, left_norms_, norms, of.d, of.metric});
  }

  // How many panels of the current rows begin above row `end`, or a few more: a panel has at least rows / panels rows.
  size_t PanelsDownTo(size_t end, size_t panels) const {
    return end <= rows_.start ? 0 : Least(DivideUp(end - rows_.start, rows_.count / panels), panels);
  }

  // Fills rows [first, first + kMirrorRows) left of the diagonal. A square at a time goes through a buffer, for rows that are
  // a power of two apart would evict one another between the reads of one line.
  void MirrorRows(size_t first) {
    const size_t rows = Least(kMirrorRows, op_.rows - first), stride = op_.cols;
    float square[kMirrorRows][kMirrorRows];
    for (size_t col = 0; col <= first; col += kMirrorRows) {
      const size_t cols = Least(kMirrorRows, op_.cols - col);
      for (size_t j = 0; j < cols; j++) {
        const float* from = op_.out + (col + j) * stride + first;
        for (size_t i = 0; i < rows; i++) square[i][j] = from[i];
      }
      for (size_t i = 0; i < rows; i++) {
        float* to = op_.out + (first + i) * stride + col;
        const size_t count = Least(cols, first + i - Least(first + i, col));
        for (size_t j = 0; j < count; j++) to[j] = square[i][j];
      }
    }
  }

  // Squares of earlier depth blocks are shared, kept by the first run of rows; the last block's are added in own memory, so
  // that no two tasks write to one place.
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
  bool symmetric_;
  size_t depth_block_, row_block_, col_block_, col_blocks_, row_runs_;
  Workspace space_;
  float *left_ = nullptr, *right_ = nullptr, *left_norms_ = nullptr, *right_norms_ = nullptr, *own_norms_ = nullptr;
  Span rows_{}, depth_{};
};

}  // namespace

Status Product(ProductOp op, const std::atomic<bool>* cancel) noexcept {
  if (op.rows == 0 || op.cols == 0) return Status::kOk;
  if (op.cols > 1 || op.rows == 1) return Run(op, cancel)();
  // One column is one row of the transpose: a tile is far wider than high.
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
  return Run(op, cancel)();
}

}  // namespace hypersphere
