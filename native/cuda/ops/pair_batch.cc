#include "pair_batch.h"

namespace hypersphere {
namespace cuda {
namespace {

uint32_t Size(size_t n) { return static_cast<uint32_t>(n); }

}  // namespace

PairBatch::PairBatch(Call& call, const BatchRows& rows, bool dense, bool wanted)
    : call_(call), rows_(rows), n_(rows.Input().n), columns_(rows.Columns()), d_(rows.Input().d), most_(AnchorsOfBlock(n_, columns_)), dense_(dense) {
  const Metric metric = Compared();
  call.ExpectSides({n_, columns_, d_});
  given_ = call.Upload(rows.Rows(), columns_ * d_);
  float* compared = const_cast<float*>(given_);
  if (rows.Normalized()) {
    compared = call.Allocate<float>(columns_ * d_);
    call.LaunchGroups(Kernel::k_normalize, columns_, NormalizeOp{given_, compared, columns_, d_, kShortest});
  }
  side_ = AllocateSide(call, compared, columns_, d_, metric);
  LaunchNorms(call, side_, metric);
  marks_ = AllocateMarks(call, most_, columns_, metric);
  distances_ = call.Allocate<float>(most_ * columns_);
  if (!wanted) return;
  weights_ = call.Allocate<float>(most_ * columns_);
  Center();
  sums_.sums = call.Allocate<float>(n_ * d_);
  call.LaunchThreads(Kernel::k_clear_floats, n_ * d_, sums_.sums, n_ * d_);
  sums_.row_sums = call.Allocate<double>(n_);
  sums_.col_sums = call.Allocate<double>(n_);
  for (double* const to : {sums_.row_sums, sums_.col_sums}) call.LaunchThreads(Kernel::k_clear_doubles, n_, to, n_);
  sums_.words = (columns_ + 63) / 64;
  sums_.marks = call.Allocate<uint64_t>(most_ * sums_.words);
  sums_.marked = call.Allocate<uint32_t>(most_);
}

void PairBatch::Center() {
  sums_.centered = side_.rows;
  const bool snr = rows_.Snr();
  if (rows_.Cosine() || !(dense_ || snr)) return;
  float* const centered = call_.Allocate<float>(columns_ * d_);
  float* const norms = call_.Allocate<float>(columns_);
  float* const means = call_.Allocate<float>(d_);
  if (snr) {
    sums_.moments = side_.moments;
  } else {
    call_.LaunchThreads(Kernel::k_column_means, d_, side_.rows, n_, d_, means);
  }
  call_.LaunchGroups(Kernel::k_center_pairs, columns_, side_.rows, columns_, d_, static_cast<const float*>(means), sums_.moments, centered);
  call_.LaunchThreads(Kernel::k_centered_norms, columns_, static_cast<const float*>(centered), columns_, d_, norms);
  sums_.centered = centered;
  sums_.norms = norms;
}

ColumnClasses PairBatch::UploadClasses() {
  const ClassRows& classes = rows_.Classes();
  return {call_.Upload(classes.rows, columns_), call_.Upload(classes.starts, classes.count + 1), call_.Upload(rows_.ClassOf(), columns_)};
}

PairBlock PairBatch::Distances(size_t first) {
  const size_t count = most_ < n_ - first ? most_ : n_ - first;
  Side anchors = side_;
  anchors.rows += first * d_;
  anchors.count = count;
  if (anchors.norms != nullptr) anchors.norms += first;
  if (anchors.moments != nullptr) anchors.moments += first;
  LaunchDistances(call_, anchors, side_, Compared(), distances_, true, marks_, false, first);
  return {first, count, columns_, n_, d_, rows_.Input().metric, side_.rows, distances_, weights_};
}

ListedRows PairBatch::AllocateListed() {
  float* const rows = call_.Allocate<float>(most_ * d_);
  return {call_.Allocate<int32_t>(most_), rows, AllocateSide(call_, rows, most_, d_, Compared()), call_.Allocate<float>(most_ * columns_)};
}

void PairBatch::LaunchTake(const float* rows, const ListedRows& to, size_t count) {
  call_.LaunchGroups(Kernel::k_take_rows, count, KeptRows{const_cast<float*>(rows), nullptr, to.columns, 0, count, 1, d_}, to.rows);
}

PairBlock PairBatch::Distances(const int32_t* columns, size_t count, const ListedRows& to) {
  call_.Upload(to.columns, columns, count);
  LaunchTake(side_.rows, to, count);
  Side side = to.side;
  side.count = count;
  LaunchNorms(call_, side, Compared());
  LaunchDistances(call_, side, side_, Compared(), to.distances, false, marks_);
  return {0, count, columns_, n_, d_, rows_.Input().metric, side_.rows, to.distances, weights_, to.columns};
}

void PairBatch::LaunchWeigh(const PairBlock& block) {
  if (!rows_.Cosine()) call_.LaunchGroups(Kernel::k_weigh_pairs, block.count, block, sums_);
}

void PairBatch::LaunchAddMarked(const PairBlock& block) {
  // Dense weights of cosines are never marked.
  if (dense_ && rows_.Cosine()) return;
  call_.LaunchGroups(Kernel::k_add_marked, n_, block, sums_);
  if (dense_) call_.LaunchThreads(Kernel::k_leave_unmarked, columns_, block, sums_);
}

void PairBatch::LaunchAdd(const PairBlock& block) {
  LaunchAddMarked(block);
  if (!dense_) return;
  const float* const own = sums_.centered + block.first * d_;
  LaunchProductOnto(call_, {{block.weights, columns_, 1}, {sums_.centered, 1, d_}, sums_.sums + block.first * d_, d_, 0, Size(block.count), Size(d_), Size(columns_),
                        Size(columns_)});
  LaunchProductOnto(call_, {{block.weights, 1, columns_}, {own, 1, d_}, sums_.sums, d_, 0, Size(n_), Size(d_), Size(block.count), Size(block.count)});
}

void PairBatch::LaunchAddStored(const PairBlock& block, const ListedRows& of) {
  LaunchAddMarked(block);
  LaunchTake(sums_.centered, of, block.count);
  LaunchProductOnto(call_, {{block.weights, 1, columns_}, {of.rows, 1, d_}, sums_.sums, d_, 0, Size(n_), Size(d_), Size(block.count), Size(block.count)});
}

const float* PairBatch::LaunchFinish(double scale) {
  float* const out = call_.Allocate<float>(n_ * d_);
  call_.LaunchGroups(Kernel::k_finish_pairs, n_, sums_, n_, d_, scale, out);
  if (!rows_.Normalized()) return out;
  // Not in place: a row's threads read all of it.
  float* const through = call_.Allocate<float>(n_ * d_);
  call_.LaunchGroups(Kernel::k_normalize_gradient, n_, NormalizeGradientOp{given_, out, through, n_, d_, kShortest});
  return through;
}

}  // namespace cuda
}  // namespace hypersphere
