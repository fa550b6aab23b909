#include "batch_rows.h"

#include <string.h>

#include "../cpu.h"
#include "blocks.h"
#include "ops.h"
#include "product.h"

namespace hypersphere {
namespace {

constexpr size_t kColumnsOfTask = 32;
constexpr size_t kRowsOfTask = 512;  // of column sums: whole words of marks

}  // namespace

BatchRows::BatchRows(Workspace& space, const PairInput& input)
    : space_(space), input_(input), buckets_(space, input.n), memory_buckets_(space, input.m), labels_place_(space.Add<int32_t>(input.n + input.m)),
      class_place_(space.Add<size_t>(input.n)), rows_place_(space.Add<float>(Normalized() || input.by_class ? Columns() * input.d : 0)),
      runs_place_(space.Add<Span>(input.by_class ? input.n : 0)) {}

Status BatchRows::Prepare(const std::atomic<bool>* cancel) {
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
  float* const rows = space_.At<float>(rows_place_);
  if (Normalized() || input_.by_class) rows_ = rows;
  const float* from = input_.x;
  if (input_.by_class) {
    const ClassRows memory = memory_buckets_.Sort(labels + n);
    FindMemoryRuns(labels, memory);
    const Status status = Gather(memory.rows, rows, cancel);
    if (status != Status::kOk) return status;
    from = rows;
  }
  return Normalized() ? Normalize({from, rows, Columns(), input_.d, kShortest}, cancel) : Status::kOk;
}

// Both sides are in the order of the labels as unsigned numbers.
void BatchRows::FindMemoryRuns(const int32_t* labels, const ClassRows& memory) {
  memory_runs_ = space_.At<Span>(runs_place_);
  const size_t n = input_.n;
  size_t t = 0;
  for (size_t own = 0; own < classes_.count; own++) {
    const auto label = static_cast<uint32_t>(labels[classes_.rows[classes_.starts[own]]]);
    const auto found = [&] { return static_cast<uint32_t>(labels[n + memory.rows[memory.starts[t]]]); };
    while (t < memory.count && found() < label) t++;
    const size_t first = n + memory.starts[t], last = t < memory.count && found() == label ? n + memory.starts[t + 1] : first;
    memory_runs_[own] = {first, last};
  }
}

Status BatchRows::Gather(const size_t* memory, float* to, const std::atomic<bool>* cancel) const {
  const size_t n = input_.n, d = input_.d, rows = RowsOfBlock(d);
  const auto block = [&](size_t index, int) {
    for (size_t i = index * rows; i < Least((index + 1) * rows, Columns()); i++) {
      memcpy(to + i * d, i < n ? input_.x + classes_.rows[i] * d : input_.memory + memory[i - n] * d, d * sizeof(float));
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

Sides BatchRows::SidesOf(size_t row) const {
  const Span own = OwnRun(row), stored = MemoryRun(row);
  const size_t count = own.Count() - 1 + stored.Count();
  return {{{{own.first, row}, {row + 1, own.last}, stored}, count},
          {{{0, own.first}, {own.last, input_.n}, {input_.n, stored.first}, {stored.last, Columns()}}, Columns() - 1 - count}};
}

double BatchRows::SquareOf(size_t row) const {
  double sum = 0;
  for (size_t k = 0; k < input_.d; k++) {
    const double value = static_cast<double>(rows_[row * input_.d + k]);
    sum += value * value;
  }
  return sum;
}

namespace {

// A row with an infinity is at no finite distance: where the loss is finite its weights are 0, and so must be their products.
float Finite(float value) { return value - value == 0 ? value : 0; }

}  // namespace

PairGradient::PairGradient(Workspace& space, const BatchRows& rows, bool dense, bool wanted)
    : space_(space), rows_(rows), dense_(dense), wanted_(wanted) {
  const size_t n = wanted ? rows.Input().n : 0, d = rows.Input().d, block = AnchorsOfBlock(n, rows.Columns());
  const size_t centered = wanted && dense && !rows.Cosine() ? rows.Columns() : 0;
  sums_place_ = space.Add<float>(n * d);
  centered_place_ = space.Add<float>(centered * d);
  norms_place_ = space.Add<float>(centered);
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
  if (!dense_ || rows_.Cosine()) return Status::kOk;
  float* const centered = space_.At<float>(centered_place_);
  norms_ = space_.At<float>(norms_place_);
  centered_ = centered;
  const float* const x = rows_.Rows();
  const size_t all = rows_.Columns();
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
  const Status status = ParallelFor(DivideUp(d, kColumnsOfTask), columns, cancel, ThreadsForPass(all, d));
  if (status != Status::kOk) return status;
  const auto squares = [=](size_t index, int) {
    const size_t first = index * kRowsOfTask, last = Least(first + kRowsOfTask, all);
    for (size_t i = first; i < last; i++) {
      float lanes[8] = {}, rest = 0;
      const float* const row = centered + i * d;
      size_t k = 0;
      for (; k + 8 <= d; k += 8) {
        for (size_t t = 0; t < 8; t++) lanes[t] += row[k + t] * row[k + t];
      }
      for (; k < d; k++) rest += row[k] * row[k];
      for (const float lane : lanes) rest += lane;
      norms_[i] = rest;
    }
  };
  return ParallelFor(DivideUp(all, kRowsOfTask), squares, cancel, ThreadsForPass(all, d));
}

// Of half the squared distance, or of the negated dot; a Euclidean distance of 0 has gradient 0.
float PairGradient::Weight(double coefficient, float distance) const {
  if (rows_.Cosine()) return static_cast<float>(coefficient);
  if (rows_.Input().metric == Metric::kSquaredEuclidean) return static_cast<float>(2 * coefficient);
  if (!(distance > 0)) return 0;
  const float weight = static_cast<float>(coefficient) / distance;
  return weight > kMostWeight ? kMostWeight : weight < -kMostWeight ? -kMostWeight : weight;
}

void PairGradient::Clear(size_t at) {
  memset(marks_ + at * Words(), 0, Words() * sizeof(uint64_t));
  marked_[at] = full_[at] = 0;
}

void PairGradient::Mark(size_t at, size_t row, double coefficient, float* distances) {
  distances[row] = Weight(coefficient, distances[row]);
  marks_[at * Words() + row / 64] |= uint64_t{1} << (row % 64);
  marked_[at] = 1;
}

void PairGradient::Weigh(size_t first, size_t at, const float* distances, float* weights) {
  full_[at] = 1;
  if (rows_.Cosine()) return;
  uint64_t* const marks = marks_ + at * Words();
  const bool root = rows_.Input().metric == Metric::kEuclidean;
  row_sums_[first + at] = CurrentKernels().row_terms.weigh({distances, norms_, weights, marks, rows_.Columns(), norms_[first + at], root});
  for (size_t word = 0; word < Words(); word++) marked_[at] |= marks[word] != 0;
}

// The columns from `col` on, which the task owns, of both sides of every marked pair.
void PairGradient::AddMarked(size_t first, size_t count, const float* weights, size_t col) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, cols = Least(kColumnsOfTask, d - col), stride = rows_.Columns();
  const bool dots = rows_.Cosine();
  const float* const x = rows_.Rows() + col;
  float* const sums = sums_ + col;
  for (size_t at = 0; at < count; at++) {
    if (!marked_[at]) continue;
    const float* const a = x + (first + at) * d;
    float* const to_a = sums + (first + at) * d;
    for (size_t word = 0; word < Words(); word++) {
      for (uint64_t bits = marks_[at * Words() + word]; bits != 0; bits &= bits - 1) {
        const size_t row = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
        const float weight = weights[at * stride + row];
        const float* const b = x + row * d;
        float* const to_b = sums + row * d;
        if (row >= n) {
          for (size_t k = 0; k < cols; k++) to_a[k] += weight * (dots ? b[k] : b[k] - a[k]);
          continue;
        }
        for (size_t k = 0; k < cols; k++) {
          const float from_a = dots ? a[k] : a[k] - b[k], from_b = dots ? b[k] : b[k] - a[k];
          to_a[k] += weight * from_b;
          to_b[k] += weight * from_a;
        }
      }
    }
  }
}

Status PairGradient::Add(size_t first, size_t count, float* weights, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, stride = rows_.Columns();
  const bool differences = norms_ != nullptr;
  bool any_marked = false, any_full = false;
  for (size_t at = 0; at < count; at++) {
    any_marked = any_marked || marked_[at];
    any_full = any_full || full_[at];
  }
  if (any_marked) {
    const auto columns = [&](size_t index, int) { AddMarked(first, count, weights, index * kColumnsOfTask); };
    const Status status = ParallelFor(DivideUp(d, kColumnsOfTask), columns, cancel, ThreadsForPass(count, d));
    if (status != Status::kOk) return status;
  }
  if (!any_full) return Status::kOk;
  const auto add = [&](size_t index, int) {
    const size_t from = index * kRowsOfTask, last = Least(from + kRowsOfTask, stride);
    for (size_t at = 0; at < count; at++) {
      float* const row = weights + at * stride;
      if (marked_[at]) {
        for (size_t word = from / 64; word < DivideUp(last, 64); word++) {
          for (uint64_t bits = marks_[at * Words() + word]; bits != 0; bits &= bits - 1) row[word * 64 + static_cast<size_t>(__builtin_ctzll(bits))] = 0;
        }
      }
      if (!full_[at] || !differences) continue;
      for (size_t j = from; j < Least(last, n); j++) col_sums_[j] += static_cast<double>(row[j]);
    }
  };
  if (any_marked || differences) {
    const Status status = ParallelFor(DivideUp(stride, kRowsOfTask), add, cancel, ThreadsForPass(count, stride));
    if (status != Status::kOk) return status;
  }
  const Rows all{centered_, 1, d}, own{centered_ + first * d, 1, d};
  const Status status = Product({{weights, stride, 1}, all, count, d, stride, sums_ + first * d, nullptr, true}, cancel);
  if (status != Status::kOk) return status;
  return Product({{weights, 1, stride}, own, n, d, count, sums_, nullptr, true}, cancel);
}

Status PairGradient::AddOthers(const float* others, size_t count, const float* weights, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d;
  return Product({{weights, 1, rows_.Columns()}, {others, 1, d}, n, d, count, sums_, nullptr, true}, cancel);
}

Status PairGradient::Write(double scale, float* out, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, rows = RowsOfBlock(d);
  const bool differences = norms_ != nullptr;
  const auto block = [&](size_t index, int) {
    for (size_t i = index * rows; i < Least((index + 1) * rows, n); i++) {
      const double diagonal = differences ? row_sums_[i] + col_sums_[i] : 0;
      float* const to = out + rows_.Given(i) * d;
      for (size_t k = 0; k < d; k++) {
        const double own = diagonal == 0 ? 0 : diagonal * static_cast<double>(centered_[i * d + k]);
        to[k] = static_cast<float>(scale * (own - static_cast<double>(sums_[i * d + k]))) + 0.0f;  // no −0 for nothing
      }
    }
  };
  const Status status = ParallelFor(DivideUp(n, rows), block, cancel, ThreadsForPass(n, d));
  if (status != Status::kOk || !rows_.Normalized()) return status;
  return NormalizeGradient({rows_.Input().x, out, out, n, d, kShortest}, cancel);
}

}  // namespace hypersphere
