// Center loss and the centers' update. The batch's rows are ordered by label (stable radix sort: time and memory follow the
// batch, never the number of classes, and no choice of labels is slow); then each touched class belongs to one block of work,
// which sums its rows in their order. Nothing is allocated once writing has begun.
#include <string.h>

#include "../cpu.h"
#include "blocks.h"
#include "class_rows.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kClassesOfBlock = 8;
// With few classes the columns are shared out too: one class of many rows would else keep one thread busy.
constexpr size_t kFewClasses = 32, kColumnsOfBlock = 128;
constexpr size_t kFloatsToClear = size_t{64} << 10;

// Centers lie anywhere in a table that is larger than the caches: the next one is on its way while one is summed.
void Fetch(const float* row, size_t cols) {
  for (size_t k = 0; k < cols; k += 16) __builtin_prefetch(row + k, 1);
}

// sum(class's place, its label, first column, columns) for every touched class, in blocks that own their part of the output.
template <class Function>
Status ForClasses(const ClassRows& classes, const int32_t* labels, const float* centers, size_t n, size_t d, const Function& sum, const std::atomic<bool>* cancel) {
  const bool few = classes.count <= kFewClasses;
  const size_t classes_of_block = few ? 1 : kClassesOfBlock, across = few ? DivideUp(d, kColumnsOfBlock) : 1;
  const auto block = [&](size_t index, int) {
    const size_t first = index / across * classes_of_block, col = index % across * kColumnsOfBlock;
    const size_t cols = few ? Least(kColumnsOfBlock, d - col) : d;
    const size_t last = Least(first + classes_of_block, classes.count);
    for (size_t t = first; t < last; t++) {
      if (t + 1 < last) Fetch(centers + static_cast<size_t>(labels[classes.rows[classes.starts[t + 1]]]) * d + col, cols);
      sum(t, col, cols);
    }
  };
  return ParallelFor(DivideUp(classes.count, classes_of_block) * across, block, cancel, ThreadsForPass(n, d));
}

Status Clear(float* values, size_t count, const std::atomic<bool>* cancel) {
  const auto block = [=](size_t index, int) {
    const size_t first = index * kFloatsToClear;
    memset(values + first, 0, Least(kFloatsToClear, count - first) * sizeof(float));
  };
  return ParallelFor(DivideUp(count, kFloatsToClear), block, cancel, ThreadsForPass(count, 1));
}

}  // namespace

Status CenterLoss(const CenterLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  const size_t d = op.d, rows = RowsOfBlock(d);
  const double factor = 2 * op.scale;
  Workspace space;
  const size_t squares_place = space.Add<double>(op.n);
  const Buckets buckets(space, op.grad_centers == nullptr ? 0 : op.n);
  if (!space.Allocate()) return Status::kOutOfMemory;
  double* const squares = space.At<double>(squares_place);

  const auto block = [&](size_t index, int) {
    const size_t first = index * rows;
    kernels.given_rows.centers({op.x + first * d, op.labels + first, op.centers, squares + first, op.per_example + first,
                         op.grad_x == nullptr ? nullptr : op.grad_x + first * d, Least(rows, op.n - first), d, factor});
  };
  Status status = ParallelFor(DivideUp(op.n, rows), block, cancel, ThreadsForPass(op.n, d));
  if (status != Status::kOk) return status;
  double total = 0;
  for (size_t i = 0; i < op.n; i++) total += squares[i];
  *op.loss = op.scale * total;

  if (op.grad_centers == nullptr) return status;
  const ClassRows classes = buckets.Sort(op.labels);
  status = Clear(op.grad_centers, op.classes * d, cancel);
  if (status != Status::kOk) return status;
  const auto sum = [&](size_t t, size_t col, size_t cols) {
    const size_t* const listed = classes.rows + classes.starts[t];
    const size_t at = static_cast<size_t>(op.labels[listed[0]]) * d + col;
    kernels.given_rows.center_sum({op.x + col, listed, classes.starts[t + 1] - classes.starts[t], d, cols, op.centers + at, op.grad_centers + at,
                        static_cast<float>(factor), false});
  };
  return ForClasses(classes, op.labels, op.centers, op.n, d, sum, cancel);
}

Status UpdateCenters(const UpdateCentersOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  Workspace space;
  const Buckets buckets(space, op.n);
  if (!space.Allocate()) return Status::kOutOfMemory;
  const ClassRows classes = buckets.Sort(op.labels);
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return Status::kAborted;
  const auto move = [&](size_t t, size_t col, size_t cols) {
    const size_t* const listed = classes.rows + classes.starts[t];
    const size_t count = classes.starts[t + 1] - classes.starts[t];
    float* const center = op.centers + static_cast<size_t>(op.labels[listed[0]]) * op.d + col;
    kernels.given_rows.center_sum({op.x + col, listed, count, op.d, cols, center, center, static_cast<float>(op.alpha / (1 + static_cast<double>(count))), true});
  };
  return ForClasses(classes, op.labels, op.centers, op.n, op.d, move, nullptr);
}

}  // namespace hypersphere
