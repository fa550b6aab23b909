// How a search is cut up: by shape, metric and CPU alone, so that a call's memory and tasks are known before anything is touched.
#pragma once

#include "../cpu.h"
#include "blocks.h"
#include "coarse.h"
#include "gallery.h"

namespace hypersphere {

constexpr size_t kMostLeftFloats = size_t{1} << 20;    // 4 MiB of packed rows
constexpr size_t kMostRanks = size_t{4} << 20;         // 32 MiB of lists
constexpr size_t kLeastRoom = 22;                      // of a list beyond k: cutting it down must be rare
constexpr size_t kChunkFloats = size_t{1} << 20;       // 4 MiB of packed columns, shared
constexpr size_t kBlockFloats = size_t{96} << 10;      // 384 KiB of them at a time, for the second level of cache
constexpr size_t kMostBlockCols = 256;
constexpr size_t kFewRows = 48;                        // below which columns are packed where they are used, not in shared chunks
constexpr size_t kTasks = 16;
constexpr size_t kRowsPerMerge = 16;
constexpr size_t kFewestSliceCols = 1024;              // and at least four times k
constexpr size_t kDifferenceRows = 32, kDifferenceFloats = size_t{32} << 10;
constexpr size_t kDirectRows = 24;                     // up to which the gallery is not packed at all
constexpr size_t kStartCols = 1024;                    // before the coarse pass, and at least 64 times k: then hardly one column in 32 passes

// Columns as a kernel wants them.
struct ReadyColumns {
  const float* rows;  // null where they are packed alone
  const float* panels;
  const float* norms;
};

struct Scratch {
  float *panels, *norms, *wide, *values, *row;
  Moments* moments;
};

// The same for the coarse pass.
struct CoarseScratch {
  CoarseSide columns;
  uint8_t* bytes;
  float *terms, *wide;
};

struct SearchPlan {
  SearchPlan(const NearestOp& op, const KernelTable& kernels) : op_(op), kernels_(kernels) {
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
    const bool as_rows = op.packed == nullptr;
    halves_ = op.half_gallery != nullptr || (op.packed != nullptr && op.packed->half_rows != nullptr);
    start_ = RoundUp(Most(kStartCols, 64 * op.k), col_block_);
    // Few rows are compared at the speed of memory.
    direct_ = !differences_ && as_rows && op.n <= kDirectRows;
    coarse_ = HasCoarse(kernels_) && CoarsePays(op.m, op.d) && !differences_ && as_rows && start_ <= op.m / 4 && !direct_;
    // Bounds that are given let little pass as they are, or soon: rows that share a list have found their k after a block or two.
    if (shared_ && op.within != nullptr) start_ = col_block_;
    if (!coarse_) start_ = 0;
  }

  const NearestOp& op_;
  const KernelTable& kernels_;
  int threads_;
  bool differences_, cosine_, halves_;
  bool shared_;  // columns are packed in chunks for all tasks
  bool direct_;  // not at all
  bool coarse_;
  bool ready_;   // panels that need not be packed, nor widened
  size_t row_block_, col_block_, chunk_, runs_, slices_ = 1, capacity_, stride_;
  size_t start_;  // columns before the coarse pass
};

}  // namespace hypersphere
