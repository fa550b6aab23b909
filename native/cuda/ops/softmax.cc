// Softmax and cross-entropy on given logits. What is done once a row, in double, the host does as on the CPU, from the rows' states.
#include "../../ops/cross_entropy_rows.h"
#include "../../ops/workspace.h"
#include "../args.h"
#include "../context.h"
#include "ops.h"

namespace hypersphere {
namespace cuda {

Status Softmax(const SoftmaxOp& op, const std::atomic<bool>* cancel) noexcept {
  Call call(cancel);
  SoftmaxOp here = op;
  here.logits = call.Upload(op.logits, op.n * op.classes);
  here.grad_output = op.grad_output == nullptr ? nullptr : call.Upload(op.grad_output, op.n * op.classes);
  here.out = call.Allocate<float>(op.n * op.classes);
  call.LaunchGroups(Kernel::k_softmax_rows, op.n, here);
  call.Download(op.out, here.out, op.n * op.classes);
  return call.Finish();
}

Status CrossEntropy(const CrossEntropyOp& op, const std::atomic<bool>* cancel) noexcept {
  const size_t n = op.n, classes = op.classes;
  constexpr size_t kNumbers = 4;
  Workspace space;
  const size_t states_place = space.Add<SoftmaxState>(n), losses_place = space.Add<double>(n), numbers_place = space.Add<float>(n * kNumbers);
  if (!space.Allocate()) return Status::kOutOfMemory;
  SoftmaxState* const states = space.At<SoftmaxState>(states_place);
  double* const losses = space.At<double>(losses_place);
  float* const numbers = space.At<float>(numbers_place);

  Call call(cancel);
  float* const logits = call.Upload(op.logits, n * classes);
  const size_t chunks = (classes + kSoftmaxCols - 1) / kSoftmaxCols;
  SoftmaxRun run{};
  run.chunk_classes = kSoftmaxCols;
  run.block_chunks = chunks;
  run.all.logits = logits;
  run.all.gradients = logits;
  run.all.stride = classes;
  run.all.rows = n;
  run.all.cols = classes;
  run.all.rule.columns = Columns::kPlain;
  run.all.rule.k = 1;
  run.all.labels = call.Upload(op.labels, n);
  run.all.class_weights = op.class_weights == nullptr ? nullptr : call.Upload(op.class_weights, classes);
  run.all.smoothing = op.label_smoothing > 0;
  run.all.states = call.Allocate<SoftmaxState>(n);
  float* const coefficients = call.Allocate<float>(n * kNumbers);
  call.LaunchGroups(Kernel::k_softmax_forward, n, run);
  call.Download(states, run.all.states, n);
  Status status = call.Finish();
  if (status != Status::kOk) return status;

  const CrossEntropyRows of(op);
  for (size_t i = 0; i < n; i++) {
    const RowLoss loss = of.Loss(i, states[i]);
    losses[i] = loss.loss;
    const float row[kNumbers] = {loss.reference, loss.factor, loss.share, static_cast<float>(loss.gradient)};
    for (size_t s = 0; s < kNumbers; s++) numbers[s * n + i] = row[s];
  }
  if (op.grad_logits != nullptr) {
    call.Upload(coefficients, numbers, n * kNumbers);
    run.all.references = coefficients;
    run.all.factors = coefficients + n;
    run.all.shares = coefficients + 2 * n;
    run.all.target_gradients = run.all.target_columns = coefficients + 3 * n;
    call.LaunchGroups(Kernel::k_softmax_backward, n * chunks, run);
    call.Download(op.grad_logits, logits, n * classes);
    status = call.Finish();
    if (status != Status::kOk) return status;
  }
  for (size_t i = 0; i < n; i++) op.per_example[i] = static_cast<float>(losses[i]);
  *op.loss = of.Total(losses);
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
