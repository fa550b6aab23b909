#include "batch_rows.h"

#include <string.h>

#include "../cpu.h"
#include "blocks.h"
#include "moments.h"
#include "ops.h"
#include "pair_weights.h"
#include "product.h"

namespace hypersphere {
namespace {

constexpr size_t kColumnsOfTask = 32;
constexpr size_t kRowsOfTask = 512;  // of column sums: whole words of marks

}  // namespace

BatchRows::BatchRows(Workspace& space, const PairInput& input)
    : space_(space), input_(input), buckets_(space, input.by_class ? input.n : Columns()), memory_buckets_(space, input.by_class ? input.m : 0),
      labels_place_(space.Add<int32_t>(Columns())), class_place_(space.Add<size_t>(Columns())),
      rows_place_(space.Add<float>(Normalized() || Gathered() ? Columns() * input.d : 0)),
      runs_place_(space.Add<Span>(input.by_class ? input.n : 0)) {}

Status BatchRows::Order(const std::atomic<bool>* cancel) {
  const size_t n = input_.n, m = input_.m;
  // The labels may lie in shared memory: they are read once.
  int32_t* const labels = space_.At<int32_t>(labels_place_);
  for (size_t i = 0; i < n; i++) labels[i] = input_.labels[i];
  for (size_t i = 0; i < m; i++) labels[n + i] = input_.memory_labels[i];
  classes_ = buckets_.Sort(labels);
  class_of_ = space_.At<size_t>(class_place_);
  for (size_t t = 0; t < classes_.count; t++) {
    for (size_t i = classes_.starts[t]; i < classes_.starts[t + 1]; i++) class_of_[input_.by_class ? i : classes_.rows[i]] = t;
  }
  rows_ = input_.x;
  if (!Gathered()) return Status::kOk;
  if (input_.by_class) {
    memory_ = memory_buckets_.Sort(labels + n);
    FindMemoryRuns(labels);
  }
  float* const rows = space_.At<float>(rows_place_);
  rows_ = rows;
  return Gather(rows, cancel);
}

Status BatchRows::Prepare(const std::atomic<bool>* cancel) {
  const Status status = Order(cancel);
  if (status != Status::kOk || !Normalized()) return status;
  float* const rows = space_.At<float>(rows_place_);
  const float* const from = rows_;
  rows_ = rows;
  return Normalize({from, rows, Columns(), input_.d, kShortest}, cancel);
}

// Both sides are in the order of the labels as unsigned numbers.
void BatchRows::FindMemoryRuns(const int32_t* labels) {
  memory_runs_ = space_.At<Span>(runs_place_);
  const size_t n = input_.n;
  size_t t = 0;
  for (size_t own = 0; own < classes_.count; own++) {
    const auto label = static_cast<uint32_t>(labels[classes_.rows[classes_.starts[own]]]);
    const auto found = [&] { return static_cast<uint32_t>(labels[n + memory_.rows[memory_.starts[t]]]); };
    while (t < memory_.count && found() < label) t++;
    const size_t first = n + memory_.starts[t], last = t < memory_.count && found() == label ? n + memory_.starts[t + 1] : first;
    memory_runs_[own] = {first, last};
  }
}

Status BatchRows::Gather(float* to, const std::atomic<bool>* cancel) const {
  const size_t n = input_.n, d = input_.d, rows = RowsOfBlock(d);
  const auto block = [&](size_t index, int) {
    for (size_t i = index * rows; i < Least((index + 1) * rows, Columns()); i++) {
      const size_t given = Given(i);
      memcpy(to + i * d, given < n ? input_.x + given * d : input_.memory + (given - n) * d, d * sizeof(float));
    }
  };
  return ParallelFor(DivideUp(Columns(), rows), block, cancel, ThreadsForPass(Columns(), d));
}

Status BatchRows::Block(size_t first, size_t count, float* out, const std::atomic<bool>* cancel) const {
  const Status status = Compare(rows_ + first * input_.d, count, out, cancel);
  for (size_t i = 0; i < count; i++) out[i * Columns() + first + i] = 0;
  return status;
}

Status BatchRows::Compare(const float* rows, size_t count, float* out, const std::atomic<bool>* cancel) const {
  return Distances({rows, rows_, out, count, Columns(), input_.d, Cosine() ? Metric::kDot : input_.metric}, cancel);
}

bool BatchRows::AnyInfinite() const {
  if (Normalized() || input_.n == 0 || Columns() < 2) return false;
  const size_t d = input_.d, rows = RowsOfBlock(d);
  std::atomic<bool> any{false};
  const auto block = [&](size_t index, int) {
    const size_t first = index * rows * d, last = Least((index + 1) * rows, Columns()) * d;
    uint32_t odd = 0;
    for (size_t k = first; k < last; k++) {
      uint32_t bits;
      memcpy(&bits, rows_ + k, sizeof bits);
      odd |= static_cast<uint32_t>((bits & 0x7fffffff) == 0x7f800000);
    }
    if (odd != 0) any.store(true, std::memory_order_relaxed);
  };
  ParallelFor(DivideUp(Columns(), rows), block, nullptr, ThreadsForPass(Columns(), d));
  return any.load(std::memory_order_relaxed);
}

PairGradient::PairGradient(Workspace& space, const BatchRows& rows, bool dense, bool wanted)
    : space_(space), rows_(rows), dense_(dense), wanted_(wanted) {
  const size_t n = wanted ? rows.Input().n : 0, d = rows.Input().d, block = AnchorsOfBlock(n, rows.Columns());
  const size_t centered = wanted && !rows.Cosine() && (dense || rows.Snr()) ? rows.Columns() : 0;
  sums_place_ = space.Add<float>(n * d);
  centered_place_ = space.Add<float>(centered * d);
  norms_place_ = space.Add<float>(centered);
  moments_place_ = space.Add<Moments>(rows.Snr() ? centered : 0);
  row_place_ = space.Add<double>(n);
  col_place_ = space.Add<double>(n);
  marks_place_ = space.Add<uint64_t>(block * Words());
  marked_place_ = space.Add<uint8_t>(block);
  full_place_ = space.Add<uint8_t>(block);
}

size_t PairGradient::Words() const { return DivideUp(rows_.Columns(), 64); }

Status PairGradient::Prepare(const std::atomic<bool>* cancel) {
  if (!wanted_) return Status::kOk;
  const size_t n = rows_.Input().n, d = rows_.Input().d;
  sums_ = space_.At<float>(sums_place_);
  row_sums_ = space_.At<double>(row_place_);
  col_sums_ = space_.At<double>(col_place_);
  marks_ = space_.At<uint64_t>(marks_place_);
  marked_ = space_.At<uint8_t>(marked_place_);
  full_ = space_.At<uint8_t>(full_place_);
  memset(sums_, 0, n * d * sizeof(float));
  for (size_t i = 0; i < n; i++) row_sums_[i] = col_sums_[i] = 0;
  centered_ = rows_.Rows();
  if (rows_.Cosine() || !(dense_ || rows_.Snr())) return Status::kOk;
  float* const centered = space_.At<float>(centered_place_);
  norms_ = space_.At<float>(norms_place_);
  if (rows_.Snr()) moments_ = space_.At<Moments>(moments_place_);
  centered_ = centered;
  const size_t all = rows_.Columns();
  const Status status = rows_.Snr() ? CenterRows(centered, cancel) : CenterColumns(centered, cancel);
  if (status != Status::kOk) return status;
  const auto squares = [=](size_t index, int) {
    const size_t first = index * kRowsOfTask, last = Least(first + kRowsOfTask, all);
    for (size_t i = first; i < last; i++) norms_[i] = SquareOfCentered(centered + i * d, d);
  };
  return ParallelFor(DivideUp(all, kRowsOfTask), squares, cancel, ThreadsForPass(all, d));
}

Status PairGradient::CenterColumns(float* centered, const std::atomic<bool>* cancel) const {
  const size_t n = rows_.Input().n, d = rows_.Input().d, all = rows_.Columns();
  const float* const x = rows_.Rows();
  const auto columns = [=](size_t index, int) {
    const size_t col = index * kColumnsOfTask, cols = Least(kColumnsOfTask, d - col);
    double mean[kColumnsOfTask] = {};  // of the batch; a memory's rows lie about it
    for (size_t i = 0; i < n; i++) {
      for (size_t k = 0; k < cols; k++) mean[k] += static_cast<double>(Finite(x[i * d + col + k]));
    }
    float center[kColumnsOfTask];
    for (size_t k = 0; k < cols; k++) center[k] = static_cast<float>(mean[k] / static_cast<double>(n));
    for (size_t i = 0; i < all; i++) {
      for (size_t k = 0; k < cols; k++) centered[i * d + col + k] = Finite(x[i * d + col + k] - center[k]);
    }
  };
  return ParallelFor(DivideUp(d, kColumnsOfTask), columns, cancel, ThreadsForPass(all, d));
}

Status PairGradient::CenterRows(float* centered, const std::atomic<bool>* cancel) const {
  const size_t d = rows_.Input().d, all = rows_.Columns(), rows = RowsOfBlock(d);
  const int threads = ThreadsForPass(all, d);
  const float* const x = rows_.Rows();
  const Status status = AllMoments(CurrentKernels(), {x, all, d, true}, moments_, cancel, threads);
  if (status != Status::kOk) return status;
  const auto block = [&](size_t index, int) {
    for (size_t i = index * rows; i < Least((index + 1) * rows, all); i++) {
      for (size_t k = 0; k < d; k++) centered[i * d + k] = Finite(static_cast<float>(static_cast<double>(x[i * d + k]) - moments_[i].mean));
    }
  };
  return ParallelFor(DivideUp(all, rows), block, cancel, threads);
}

void PairGradient::Clear(size_t at) {
  memset(marks_ + at * Words(), 0, Words() * sizeof(uint64_t));
  marked_[at] = full_[at] = 0;
}

void PairGradient::Mark(size_t first, size_t at, size_t row, double coefficient, float* distances) {
  if (rows_.Snr()) {
    float given = static_cast<float>(coefficient);
    row_sums_[first + at] += ThroughSignal(moments_[first + at].spread, distances[row], given);
    coefficient = static_cast<double>(given);
  }
  distances[row] = PairWeight(rows_.Input().metric, coefficient, distances[row]);
  marks_[at * Words() + row / 64] |= uint64_t{1} << (row % 64);
  marked_[at] = 1;
}

void PairGradient::Weigh(size_t first, size_t at, float* distances, float* weights) {
  full_[at] = 1;
  if (!rows_.Cosine()) row_sums_[first + at] = WeighRow(first + at, at, distances, weights);
}

double PairGradient::WeighRow(size_t column, size_t at, float* distances, float* weights) {
  uint64_t* const marks = marks_ + at * Words();
  const bool root = rows_.Input().metric == Metric::kEuclidean;
  double own = 0;
  for (size_t j = 0; rows_.Snr() && j < rows_.Columns(); j++) own += ThroughSignal(moments_[column].spread, distances[j], weights[j]);
  const double sum = CurrentKernels().row_terms.weigh({distances, norms_, weights, marks, rows_.Columns(), norms_[column], root});
  for (size_t word = 0; word < Words(); word++) marked_[at] |= marks[word] != 0;
  return own + sum;
}

Status PairGradient::AddMarked(size_t first, const size_t* listed, size_t count, const float* weights, const std::atomic<bool>* cancel) {
  const size_t d = rows_.Input().d;
  bool any = false;
  for (size_t at = 0; at < count; at++) any = any || marked_[at];
  if (!any) return Status::kOk;
  const auto columns = [&](size_t index, int) { AddMarkedColumns(first, listed, count, weights, index * kColumnsOfTask); };
  return ParallelFor(DivideUp(d, kColumnsOfTask), columns, cancel, ThreadsForPass(count, d));
}

// The columns from `col` on, which the task owns, of both sides of every marked pair, as far as they are the batch's.
void PairGradient::AddMarkedColumns(size_t first, const size_t* listed, size_t count, const float* weights, size_t col) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, cols = Least(kColumnsOfTask, d - col), stride = rows_.Columns();
  const bool dots = rows_.Cosine();
  const float* const x = (rows_.Snr() ? centered_ : rows_.Rows()) + col;
  float* const sums = sums_ + col;
  for (size_t at = 0; at < count; at++) {
    if (!marked_[at]) continue;
    const size_t anchor = listed != nullptr ? listed[at] : first + at;
    const float* const a = x + anchor * d;
    for (size_t word = 0; word < Words(); word++) {
      for (uint64_t bits = marks_[at * Words() + word]; bits != 0; bits &= bits - 1) {
        const size_t row = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
        const float weight = weights[at * stride + row];
        const float* const b = x + row * d;
        for (size_t k = 0; anchor < n && k < cols; k++) sums[anchor * d + k] += weight * (dots ? b[k] : b[k] - a[k]);
        for (size_t k = 0; row < n && k < cols; k++) sums[row * d + k] += weight * (dots ? a[k] : a[k] - b[k]);
      }
    }
  }
}

// Takes the marked weights out, and adds up those of each row of the batch where the product needs it.
Status PairGradient::LeaveUnmarked(size_t count, float* weights, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, stride = rows_.Columns();
  const bool differences = norms_ != nullptr;
  const auto part = [&](size_t index, int) {
    const size_t from = index * kRowsOfTask, last = Least(from + kRowsOfTask, stride);
    for (size_t at = 0; at < count; at++) {
      float* const row = weights + at * stride;
      for (size_t word = from / 64; marked_[at] && word < DivideUp(last, 64); word++) {
        for (uint64_t bits = marks_[at * Words() + word]; bits != 0; bits &= bits - 1) row[word * 64 + static_cast<size_t>(__builtin_ctzll(bits))] = 0;
      }
      if (!full_[at] || !differences) continue;
      for (size_t j = from; j < Least(last, n); j++) col_sums_[j] += static_cast<double>(row[j]);
    }
  };
  return ParallelFor(DivideUp(stride, kRowsOfTask), part, cancel, ThreadsForPass(count, stride));
}

Status PairGradient::Add(size_t first, size_t count, float* weights, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, stride = rows_.Columns();
  Status status = AddMarked(first, nullptr, count, weights, cancel);
  bool any_full = false;
  for (size_t at = 0; at < count; at++) any_full = any_full || full_[at];
  if (status != Status::kOk || !any_full) return status;
  status = LeaveUnmarked(count, weights, cancel);
  if (status != Status::kOk) return status;
  const Rows all{centered_, 1, d}, own{centered_ + first * d, 1, d};
  status = Product({{weights, stride, 1}, all, count, d, stride, sums_ + first * d, nullptr, true}, cancel);
  if (status != Status::kOk) return status;
  return Product({{weights, 1, stride}, own, n, d, count, sums_, nullptr, true}, cancel);
}

Status PairGradient::AddStored(const size_t* stored, size_t count, float* distances, float* weights, float* rows, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, stride = rows_.Columns();
  if (!rows_.Cosine()) {
    const auto weigh = [&](size_t at, int) {
      Clear(at);
      full_[at] = 1;
      WeighRow(stored[at], at, distances + at * stride, weights + at * stride);
      memcpy(rows + at * d, centered_ + stored[at] * d, d * sizeof(float));
    };
    Status status = ParallelFor(count, weigh, cancel, ThreadsForPass(count, stride));
    if (status == Status::kOk) status = AddMarked(0, stored, count, weights, cancel);
    if (status == Status::kOk) status = LeaveUnmarked(count, weights, cancel);
    if (status != Status::kOk) return status;
  }
  return Product({{weights, 1, stride}, {rows, 1, d}, n, d, count, sums_, nullptr, true}, cancel);
}

Status PairGradient::Write(double scale, float* out, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, rows = RowsOfBlock(d);
  const bool differences = norms_ != nullptr;
  const auto block = [&](size_t index, int) {
    for (size_t i = index * rows; i < Least((index + 1) * rows, n); i++) {
      const double diagonal = differences ? row_sums_[i] + col_sums_[i] : 0;
      float* const to = out + rows_.Given(i) * d;
      for (size_t k = 0; k < d; k++) to[k] = PairGradientOf(scale, diagonal, differences ? centered_[i * d + k] : 0, sums_[i * d + k]);
    }
  };
  const Status status = ParallelFor(DivideUp(n, rows), block, cancel, ThreadsForPass(n, d));
  if (status != Status::kOk || !rows_.Normalized()) return status;
  return NormalizeGradient({rows_.Input().x, out, out, n, d, kShortest}, cancel);
}

}  // namespace hypersphere
