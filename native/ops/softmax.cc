// Softmax and cross-entropy on given logits: bound by memory. A task is a few rows, small enough that the second look at them finds
// them in the second level of cache; a row's classes advance by the blocks of kernels/softmax.h.
#include "../cpu.h"
#include "blocks.h"
#include "ops.h"
#include "softmax_loss.h"
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

  double all = 0, counted = 0;
  const auto weight_of = [&](size_t c) { return op.class_weights == nullptr ? 1 : static_cast<double>(op.class_weights[c]); };
  for (size_t c = 0; c < op.classes; c++) all += weight_of(c);
  for (size_t i = 0; i < op.n; i++) {
    if (op.labels[i] != kIgnored) counted += weight_of(static_cast<size_t>(op.labels[i]));
  }
  const double common = op.reduction == Reduction::kMean ? (counted > 0 ? 1 / counted : 0) : 1;
  const auto scale_of = [&](size_t i) { return common * (op.grad_output == nullptr ? 1 : static_cast<double>(op.grad_output[i])); };

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
    RowLoss loss{};
    if (op.labels[i] != kIgnored) {
      each_chunk(kernels.softmax_forward);
      const size_t y = static_cast<size_t>(op.labels[i]);
      loss = SoftmaxLoss(Combined(&state, 1, 1), static_cast<double>(logits[y]),
                         {op.label_smoothing / static_cast<double>(op.classes), weight_of(y), all, scale_of(i), op.label_smoothing});
    }
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
  double loss = 0;
  for (size_t i = 0; i < op.n; i++) {
    if (op.labels[i] != kIgnored) loss += Weighted(scale_of(i), losses[i]);
  }
  *op.loss = loss;
  return status;
}

}  // namespace hypersphere
