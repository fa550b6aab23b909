// The losses over the pairs of a batch (native/losses) against the oracles of row_sweep_losses.h, with and without a memory, at every
// level; their bits at every level with FMA and any number of threads; a call that is cancelled.
#include <math.h>

#include <atomic>

#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "check.h"
#include "row_sweep_losses.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

struct Result {
  Status status;
  double loss;
  Floats rows, gradient;
  float grad_beta = 0;
};

Result Run(const Loss& loss, const Batch& batch, const std::atomic<bool>* cancel = nullptr) {
  Result result{Status::kOk, -7, Floats(batch.n, -7), Floats(batch.n * batch.d, -7), 0};
  BatchLossOp op{};
  op.kind = loss.kind;
  op.x = batch.rows.data();
  op.labels = batch.labels.data();
  op.memory = batch.rows.data() + batch.n * batch.d;
  op.memory_labels = batch.labels.data() + batch.n;
  op.n = batch.n;
  op.m = batch.m;
  op.d = batch.d;
  op.metric = Metric::kCosineSimilarity;
  op.normalize = true;
  op.reduction = TermReduction::kMean;
  for (size_t i = 0; i < kMostLossNumbers; i++) op.numbers[i] = loss.numbers[i];
  op.loss = &result.loss;
  op.per_example = result.rows.data();
  op.grad_x = result.gradient.data();
  op.beta = &kBeta;
  op.betas = 1;
  op.grad_beta = &result.grad_beta;
  result.status = BatchLoss(op, cancel);
  return result;
}

bool Same(const Result& a, const Result& b) {
  return memcmp(&a.loss, &b.loss, sizeof(double)) == 0 && SameBits(a.rows, b.rows) && SameBits(a.gradient, b.gradient) &&
         memcmp(&a.grad_beta, &b.grad_beta, sizeof(float)) == 0;
}

void Values(const Loss& loss, const Batch& batch) {
  const double expected = loss.value(batch, Doubles(batch.rows.begin(), batch.rows.end()));
  Result first{};
  for (const Level level : Levels()) {
    SetLevel(level);
    SetThreads(1);
    const Result result = Run(loss, batch);
    CHECK(result.status == Status::kOk, "%s", loss.name);
    const double limit = (loss.slope * double(batch.d + 16) + 64) * 0x1p-24 * (1 + fabs(expected));
    CHECK(fabs(result.loss - expected) <= limit, "%s %s of %zu, %zu: %.9g, not %.9g", LevelName(level), loss.name, batch.n, batch.m, result.loss, expected);
    for (const int threads : {2, 3, 8}) {
      SetThreads(threads);
      const Result other = Run(loss, batch);
      CHECK(Same(other, result), "%s %s with %d threads", LevelName(level), loss.name, threads);
    }
    if (level == Level::kBaseline) continue;
    if (first.gradient.empty()) first = result;
    CHECK(Same(first, result), "%s %s", LevelName(level), loss.name);
  }
}

// Central differences of the oracle.
void Gradient(const Loss& loss, const Batch& batch) {
  SetLevel(DetectedLevel());
  SetThreads(2);
  const Result result = Run(loss, batch);
  Doubles x(batch.rows.begin(), batch.rows.end());
  constexpr double kStep = 1e-6;
  for (size_t at = 0; at < batch.n * batch.d; at++) {
    const double from = x[at];
    x[at] = from + kStep;
    const double above = loss.value(batch, x);
    x[at] = from - kStep;
    const double slope = (above - loss.value(batch, x)) / (2 * kStep);
    x[at] = from;
    CHECK(fabs(double(result.gradient[at]) - slope) <= 1e-4 * (1e-2 * loss.slope + fabs(slope)), "%s at %zu: %g, not %g", loss.name, at,
          double(result.gradient[at]), slope);
  }
}

void Cancelled(const Loss& loss) {
  const std::atomic<bool> cancel{true};
  CHECK(Run(loss, Make(300, 8, 5, 9, 3), &cancel).status == Status::kAborted, "%s", loss.name);
}

}  // namespace

int main() {
  for (const Loss& loss : Losses()) {
    for (const size_t n : {1, 15, 16, 17, 65}) {
      for (const size_t m : {0, 9}) {
        Values(loss, Make(n, 5, m, (n + 3) / 4, static_cast<uint32_t>(n)));  // four a class
        Values(loss, Make(n, 17, m, 1, 3));                                  // one class
        Values(loss, Make(n, 3, m, n + m, 4));                               // all distinct, where 7 does not divide
      }
    }
    Values(loss, Make(530, 3, 0, 133, 5));  // more blocks than one
    if (loss.smooth) Gradient(loss, Make(20, 4, 6, 5, 6));
    Cancelled(loss);
  }
  printf("row sweep: ok\n");
}
