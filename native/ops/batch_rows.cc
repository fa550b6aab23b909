#include "batch_rows.h"

#include <string.h>

#include "blocks.h"
#include "ops.h"
#include "product.h"

namespace hypersphere {
namespace {

constexpr size_t kColumnsOfTask = 32;
constexpr size_t kRowsOfTask = 512;  // of column sums: whole words of marks
constexpr float kMostWeight = 0x1p120f;
// A pair nearer than 2⁻⁷ of its rows' lengths would lose more than 7 bits in the products.
constexpr float kNear = 0x1p-14f;

}  // namespace

BatchRows::BatchRows(Workspace& space, const PairInput& input)
    : space_(space), input_(input), buckets_(space, input.n), labels_place_(space.Add<int32_t>(input.n)), class_place_(space.Add<size_t>(input.n)),
      unit_place_(space.Add<float>(Normalized() ? input.n * input.d : 0)) {}

Status BatchRows::Prepare(const std::atomic<bool>* cancel) {
  // The labels may lie in shared memory: they are read once.
  int32_t* const labels = space_.At<int32_t>(labels_place_);
  for (size_t i = 0; i < input_.n; i++) labels[i] = input_.labels[i];
  classes_ = buckets_.Sort(labels);
  class_of_ = space_.At<size_t>(class_place_);
  for (size_t t = 0; t < classes_.count; t++) {
    for (size_t i = classes_.starts[t]; i < classes_.starts[t + 1]; i++) class_of_[classes_.rows[i]] = t;
  }
  rows_ = input_.x;
  if (!Normalized()) return Status::kOk;
  float* const unit = space_.At<float>(unit_place_);
  rows_ = unit;
  return Normalize({input_.x, unit, input_.n, input_.d, kShortest}, cancel);
}

Status BatchRows::Block(size_t first, size_t count, float* out, const std::atomic<bool>* cancel) const {
  const size_t n = input_.n, d = input_.d;
  const Status status = Distances({rows_ + first * d, rows_, out, count, n, d, Cosine() ? Metric::kDot : input_.metric}, cancel);
  for (size_t i = 0; i < count; i++) out[i * n + first + i] = 0;
  return status;
}

PairGradient::PairGradient(Workspace& space, const BatchRows& rows, bool dense, bool wanted)
    : space_(space), rows_(rows), dense_(dense), wanted_(wanted) {
  const size_t n = wanted ? rows.Input().n : 0, d = rows.Input().d, block = AnchorsOfBlock(n);
  const size_t centered = dense && !rows.Cosine() ? n : 0;
  sums_place_ = space.Add<float>(n * d);
  centered_place_ = space.Add<float>(centered * d);
  norms_place_ = space.Add<float>(centered);
  row_place_ = space.Add<double>(n);
  col_place_ = space.Add<double>(n);
  marks_place_ = space.Add<uint64_t>(block * DivideUp(n, 64));
  marked_place_ = space.Add<uint8_t>(block);
  full_place_ = space.Add<uint8_t>(block);
}

size_t PairGradient::Words() const { return DivideUp(rows_.Input().n, 64); }

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
  const auto columns = [=](size_t index, int) {
    const size_t col = index * kColumnsOfTask, cols = Least(kColumnsOfTask, d - col);
    double mean[kColumnsOfTask] = {};
    for (size_t i = 0; i < n; i++) {
      for (size_t k = 0; k < cols; k++) mean[k] += static_cast<double>(x[i * d + col + k]);
    }
    float center[kColumnsOfTask];
    for (size_t k = 0; k < cols; k++) center[k] = static_cast<float>(mean[k] / static_cast<double>(n));
    for (size_t i = 0; i < n; i++) {
      for (size_t k = 0; k < cols; k++) centered[i * d + col + k] = x[i * d + col + k] - center[k];
    }
  };
  const Status status = ParallelFor(DivideUp(d, kColumnsOfTask), columns, cancel, ThreadsForPass(n, d));
  if (status != Status::kOk) return status;
  const auto squares = [=](size_t index, int) {
    const size_t first = index * kRowsOfTask, last = Least(first + kRowsOfTask, n);
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
  return ParallelFor(DivideUp(n, kRowsOfTask), squares, cancel, ThreadsForPass(n, d));
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

void PairGradient::Weigh(size_t first, size_t at, const double* coefficients, float* distances) {
  const size_t n = rows_.Input().n;
  const bool root = rows_.Input().metric == Metric::kEuclidean;
  double sum = 0;
  for (size_t j = 0; j < n; j++) {
    const double coefficient = coefficients[j];
    if (coefficient == 0) {
      distances[j] = 0;
      continue;
    }
    const float distance = distances[j];
    const float square = root ? distance * distance : distance;
    if (norms_ != nullptr && square <= kNear * (norms_[first + at] + norms_[j])) {
      Mark(at, j, coefficient, distances);
      continue;
    }
    distances[j] = Weight(coefficient, distance);
    sum += static_cast<double>(distances[j]);
    full_[at] = 1;
  }
  row_sums_[first + at] = sum;
}

// The columns from `col` on, which the task owns, of both sides of every marked pair.
void PairGradient::AddMarked(size_t first, size_t count, const float* weights, size_t col) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, cols = Least(kColumnsOfTask, d - col);
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
        const float weight = weights[at * n + row];
        const float* const b = x + row * d;
        float* const to_b = sums + row * d;
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
  const size_t n = rows_.Input().n, d = rows_.Input().d;
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
    const size_t from = index * kRowsOfTask, last = Least(from + kRowsOfTask, n);
    for (size_t at = 0; at < count; at++) {
      float* const row = weights + at * n;
      if (marked_[at]) {
        for (size_t word = from / 64; word < DivideUp(last, 64); word++) {
          for (uint64_t bits = marks_[at * Words() + word]; bits != 0; bits &= bits - 1) row[word * 64 + static_cast<size_t>(__builtin_ctzll(bits))] = 0;
        }
      }
      if (!full_[at]) continue;
      for (size_t j = from; j < last; j++) col_sums_[j] += static_cast<double>(row[j]);
    }
  };
  Status status = ParallelFor(DivideUp(n, kRowsOfTask), add, cancel, ThreadsForPass(count, n));
  if (status != Status::kOk) return status;
  const Rows all{centered_, 1, d}, own{centered_ + first * d, 1, d};
  status = Product({{weights, n, 1}, all, count, d, n, sums_ + first * d, nullptr, true}, cancel);
  if (status != Status::kOk) return status;
  return Product({{weights, 1, n}, own, n, d, count, sums_, nullptr, true}, cancel);
}

Status PairGradient::Write(double scale, float* out, const std::atomic<bool>* cancel) {
  const size_t n = rows_.Input().n, d = rows_.Input().d, rows = RowsOfBlock(d);
  const bool normalized = rows_.Normalized(), differences = norms_ != nullptr;
  float* const to = normalized ? sums_ : out;
  const auto block = [&](size_t index, int) {
    for (size_t i = index * rows; i < Least((index + 1) * rows, n); i++) {
      const double diagonal = differences ? row_sums_[i] + col_sums_[i] : 0;
      for (size_t k = 0; k < d; k++) {
        const double own = diagonal == 0 ? 0 : diagonal * static_cast<double>(centered_[i * d + k]);
        to[i * d + k] = static_cast<float>(scale * (own - static_cast<double>(sums_[i * d + k])));
      }
    }
  };
  const Status status = ParallelFor(DivideUp(n, rows), block, cancel, ThreadsForPass(n, d));
  if (status != Status::kOk || !normalized) return status;
  return NormalizeGradient({rows_.Input().x, sums_, out, n, d, kShortest}, cancel);
}

}  // namespace hypersphere
