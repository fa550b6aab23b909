// Softmax and cross-entropy on given logits: bound by memory. A task is a few rows, small enough that the second look at them finds
// them in the second level of cache; a row's classes advance by the blocks of kernels/softmax.h.
#include "../cpu.h"
#include "blocks.h"
#include "cross_entropy_rows.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {

Status Softmax(const SoftmaxOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  const size_t rows = RowsOfBlock(op.classes);
  const auto block = [&](size_t index, int) {
    const size_t first = index * rows, at = first * op.classes;
    kernels.softmax_rows({op.logits + at, op.grad_output == nullptr ? nullptr : op.grad_output + at, op.out + at, Least(rows, op.n - first), op.classes,
                          op.temperature});
  };
  return ParallelFor(DivideUp(op.n, rows), block, cancel, ThreadsForPass(op.n, op.classes));
}

Status CrossEntropy(const CrossEntropyOp& op, const std::atomic<bool>* cancel) noexcept {
  const KernelTable& kernels = CurrentKernels();
  Workspace space;
  const size_t losses_place = space.Add<double>(op.n);
  if (!space.Allocate()) return Status::kOutOfMemory;
  double* const losses = space.At<double>(losses_place);

  const CrossEntropyRows of(op);
  const auto row = [&](size_t i) {
    const float* logits = op.logits + i * op.classes;
    SoftmaxBlock block{};
    block.stride = op.classes;
    block.rows = 1;
    block.rule.columns = Columns::kPlain;
    block.rule.k = 1;
    block.labels = op.labels + i;
    block.smoothing = op.label_smoothing > 0;
    SoftmaxState state{-__builtin_inff(), 0, 0, 0};
    block.states = &state;
    const auto each_chunk = [&](const auto& run) {
      for (size_t first = 0; first < op.classes; first += kSoftmaxCols) {
        block.logits = logits + first;
        block.gradients = op.grad_logits == nullptr ? nullptr : op.grad_logits + i * op.classes + first;
        block.cols = Least(kSoftmaxCols, op.classes - first);
        block.first_class = static_cast<int32_t>(first);
        block.class_weights = op.class_weights == nullptr ? nullptr : op.class_weights + first;
        run(block);
      }
    };
    if (op.labels[i] != kIgnored) each_chunk(kernels.softmax_forward);
    const RowLoss loss = of.Loss(i, state);
    losses[i] = loss.loss;
    op.per_example[i] = static_cast<float>(loss.loss);
    if (op.grad_logits == nullptr) return;
    const float gradient = static_cast<float>(loss.gradient);
    block.references = &loss.reference;
    block.factors = &loss.factor;
    block.shares = &loss.share;
    block.target_gradients = &gradient;
    block.target_columns = &gradient;
    each_chunk(kernels.softmax_backward);
  };
  const size_t rows = RowsOfBlock(op.classes);
  const auto rows_of_task = [&](size_t task, int) {
    for (size_t i = task * rows; i < Least(op.n, (task + 1) * rows); i++) row(i);
  };
  const Status status = ParallelFor(DivideUp(op.n, rows), rows_of_task, cancel, ThreadsForPass(op.n, op.classes));
  if (status != Status::kOk) return status;
  *op.loss = of.Total(losses);
  return status;
}

}  // namespace hypersphere
