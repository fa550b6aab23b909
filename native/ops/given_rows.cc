// Contrastive and triplet loss of given rows, in blocks of rows: one pass over memory, bound by it. The terms are added in order of the
// rows, in float64.
#include <initializer_list>

#include "../cpu.h"
#include "blocks.h"
#include "ops.h"
#include "triplet_powers.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kStepsOfPower = 64;  // of one element, in multiplications

// `count` rows from row `first` on.
PairRows Part(PairRows rows, size_t first, size_t count) {
  const size_t at = first * rows.d;
  rows.x1 += at;
  rows.x2 += at;
  rows.same += first;
  rows.values += first;
  rows.per_example += first;
  for (float** grad : {&rows.grad_x1, &rows.grad_x2}) *grad = *grad == nullptr ? nullptr : *grad + at;
  rows.rows = count;
  return rows;
}

TripletRows Part(TripletRows rows, size_t first, size_t count) {
  const size_t at = first * rows.d;
  rows.anchor += at;
  rows.positive += at;
  rows.negative += at;
  rows.values += first;
  rows.per_example += first;
  for (float** grad : {&rows.grad_anchor, &rows.grad_positive, &rows.grad_negative}) *grad = *grad == nullptr ? nullptr : *grad + at;
  rows.rows = count;
  return rows;
}

template <class Rows>
Status SumOfRows(Rows rows, void (*kernel)(const Rows&), int threads, double* loss, const std::atomic<bool>* cancel) {
  Workspace space;
  const size_t values = space.Add<double>(rows.rows);
  if (!space.Allocate()) return Status::kOutOfMemory;
  rows.values = space.At<double>(values);
  const size_t of_block = RowsOfBlock(rows.d);
  const auto block = [&](size_t index, int) {
    const size_t first = index * of_block;
    kernel(Part(rows, first, Least(of_block, rows.rows - first)));
  };
  const Status status = ParallelFor(DivideUp(rows.rows, of_block), block, cancel, threads);
  if (status != Status::kOk) return status;
  double total = 0;
  for (size_t i = 0; i < rows.rows; i++) total += rows.values[i];
  *loss = rows.scale * total;
  return status;
}

}  // namespace

Status Contrastive(const ContrastiveOp& op, const std::atomic<bool>* cancel) noexcept {
  return SumOfRows(op.rows, CurrentKernels().given_rows.pairs, ThreadsForPass(op.rows.rows, op.rows.d), op.loss, cancel);
}

Status Triplet(const TripletOp& op, const std::atomic<bool>* cancel) noexcept {
  const size_t n = op.rows.rows, d = op.rows.d;
  const float eps = static_cast<float>(op.rows.eps);
  const bool plain = op.rows.p == 2 && (op.rows.eps == 0 || (eps > 0 && eps - eps == 0));
  if (plain) return SumOfRows(op.rows, CurrentKernels().given_rows.triplets, ThreadsForPass(n, d), op.loss, cancel);
  return SumOfRows(op.rows, TripletPowerRows, ThreadsFor(n, kStepsOfPower, d), op.loss, cancel);
}

}  // namespace hypersphere
