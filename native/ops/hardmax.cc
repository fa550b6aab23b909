// Hardmax and the losses on the gap to the largest logit: bound by memory. The largest value of a row is a vector pass, and where it lies the
// first place that holds it.
#include <string.h>

#include "../cpu.h"
#include "blocks.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kNone = ~size_t{0};

struct Largest {
  size_t at;  // the lowest place; kNone where nothing can win, since NaN never does
  bool nan;   // among those that were looked at
};

// Of a row's logits but that at `skip`.
Largest LargestOf(const RowTerms& terms, const float* logits, size_t classes, size_t skip) {
  const size_t before = skip < classes ? skip : classes, after = before < classes ? before + 1 : classes;
  const RowExtent first = terms.extent(logits, before), last = terms.extent(logits + after, classes - after);
  const float most = first.most > last.most ? first.most : last.most;
  Largest found{kNone, first.nan || last.nan};
  for (size_t k = 0; k < classes && found.at == kNone; k++) {
    if (k != skip && logits[k] == most) found.at = k;
  }
  return found;
}

}  // namespace

Status Hardmax(const HardmaxOp& op, const std::atomic<bool>* cancel) noexcept {
  const RowTerms& terms = CurrentKernels().row_terms;
  const auto row = [&](size_t i, int) {
    float* const out = op.out + i * op.classes;
    memset(out, 0, op.classes * sizeof(float));
    const size_t best = LargestOf(terms, op.logits + i * op.classes, op.classes, kNone).at;
    if (best != kNone) out[best] = 1;
  };
  return ParallelFor(op.n, row, cancel, ThreadsForPass(op.n, op.classes));
}

Status HardmaxLoss(const HardmaxLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const RowTerms& terms = CurrentKernels().row_terms;
  Workspace space;
  const size_t losses_place = space.Add<double>(op.n);
  if (!space.Allocate()) return Status::kOutOfMemory;
  double* const losses = space.At<double>(losses_place);
  const double scale = op.reduction == Reduction::kMean ? 1 / static_cast<double>(op.n > 0 ? op.n : 1) : 1;
  const auto row = [&](size_t i, int) {
    const float* const logits = op.logits + i * op.classes;
    float* const gradient = op.grad_logits == nullptr ? nullptr : op.grad_logits + i * op.classes;
    const size_t label = static_cast<size_t>(op.labels[i]);
    const Largest rival = LargestOf(terms, logits, op.classes, op.hinge ? label : kNone);
    const bool nan = rival.nan || logits[label] != logits[label], none = rival.at == kNone || rival.at == label;
    double value = 0;
    if (nan) {
      value = __builtin_nan("");  // it never wins, but it could have
    } else if (!none) {
      // Two equal infinities have no gap.
      const double gap = logits[rival.at] == logits[label] ? 0 : static_cast<double>(logits[rival.at]) - static_cast<double>(logits[label]);
      value = gap + op.margin > 0 ? gap + op.margin : 0;
    }
    losses[i] = value;
    op.per_example[i] = static_cast<float>(value);
    if (gradient == nullptr) return;
    for (size_t k = 0; k < op.classes; k++) gradient[k] = nan ? __builtin_nanf("") : 0;
    if (!(value > 0)) return;
    gradient[rival.at] = static_cast<float>(scale);
    gradient[label] = static_cast<float>(-scale);
  };
  const Status status = ParallelFor(op.n, row, cancel, ThreadsForPass(op.n, op.classes));
  if (status != Status::kOk) return status;
  double loss = 0;
  for (size_t i = 0; i < op.n; i++) loss += scale * losses[i];
  *op.loss = loss;
  return status;
}

}  // namespace hypersphere
