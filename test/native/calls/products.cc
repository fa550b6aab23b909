// Products, distances and what is done row by row.
#include "../../../native/ops/ops.h"
#include "call.h"

namespace hypersphere::test {
namespace {

constexpr size_t kMost = 150000;  // multiplications, or sanitizers take too long

void BuildMatmul(Call& call, int) {
  Source& from = call.source;
  MatmulOp op{};
  op.transpose_a = from.Flag();
  op.transpose_b = from.Flag();
  op.inner = from.Length(0, 800);
  op.rows = from.Length(0, 300);
  op.cols = from.Length(0, kMost / ((op.inner + 1) * (op.rows + 1)));
  op.a = call.Rows(op.rows, op.inner);
  op.b = call.Rows(op.inner, op.cols);
  op.out = call.Result<float>(op.rows * op.cols);
  call.run = [op](const std::atomic<bool>* cancel) { return Matmul(op, cancel); };
}

struct Shape {
  size_t n, m, d;
};

Shape ShapeOf(Source& from, size_t least_rows) {
  Shape shape{};
  shape.d = from.Length(1, 800);
  shape.n = from.Length(least_rows, 300);
  shape.m = from.Length(least_rows, kMost / (shape.d * (shape.n + 1)));
  return shape;
}

void BuildDistances(Call& call, int metric) {
  DistancesOp op{};
  const auto [n, m, d] = ShapeOf(call.source, 0);
  op.metric = static_cast<Metric>(metric);
  const bool self = call.source.Flag();
  op.n = n;
  op.m = self ? n : m;
  op.d = d;
  op.x = call.Rows(op.n, d);
  op.y = self ? op.x : call.Rows(op.m, d);
  op.out = call.Result<float>(op.n * op.m);
  call.run = [op](const std::atomic<bool>* cancel) { return Distances(op, cancel); };
}

void BuildDistancesGradient(Call& call, int metric) {
  DistancesGradientOp op{};
  const auto [n, m, d] = ShapeOf(call.source, 0);
  op.metric = static_cast<Metric>(metric);
  op.n = n;
  op.m = m;
  op.d = d;
  op.x = call.Rows(n, d);
  op.y = call.Rows(m, d);
  op.grad_output = call.Rows(n, m);
  op.grad_x = call.Result<float>(n * d);
  op.grad_y = call.Result<float>(m * d);
  call.run = [op](const std::atomic<bool>* cancel) { return DistancesGradient(op, cancel); };
}

void BuildNormalize(Call& call, int) {
  NormalizeOp op{};
  op.n = call.source.Length(0, 300);
  op.d = call.source.Length(1, 800);
  op.eps = call.source.Number(0, 1e300);
  op.x = call.Rows(op.n, op.d);
  op.out = call.Result<float>(op.n * op.d);
  call.run = [op](const std::atomic<bool>* cancel) { return Normalize(op, cancel); };
}

void BuildNormalizeGradient(Call& call, int) {
  NormalizeGradientOp op{};
  op.n = call.source.Length(0, 300);
  op.d = call.source.Length(1, 800);
  op.eps = call.source.Number(0, 1e300);
  op.x = call.Rows(op.n, op.d);
  op.grad_output = call.Rows(op.n, op.d);
  op.grad_x = call.Result<float>(op.n * op.d);
  call.run = [op](const std::atomic<bool>* cancel) { return NormalizeGradient(op, cancel); };
}

// What the addon has no op for but a kernel.
void BuildNarrow(Call& call, int) {
  const size_t count = call.source.Length(0, 800);
  const float* const x = call.Rows(1, count);
  uint16_t* const out = call.Result<uint16_t>(count);
  call.run = [=](const std::atomic<bool>*) {
    CurrentKernels().narrow(x, count, out);
    return Status::kOk;
  };
}

void BuildWiden(Call& call, int) {
  const size_t count = call.source.Length(0, 800);
  const uint16_t* const x = call.HalfRows(1, count);
  float* const out = call.Result<float>(count);
  call.run = [=](const std::atomic<bool>*) {
    CurrentKernels().widen(x, count, out);
    return Status::kOk;
  };
}

}  // namespace

Group ProductCalls() {
  Group group{"products",
              {{"matmul", BuildMatmul, 0},
               {"normalize", BuildNormalize, 0},
               {"normalizeGradient", BuildNormalizeGradient, 0},
               {"toBfloat16", BuildNarrow, 0},
               {"fromBfloat16", BuildWiden, 0}}};
  for (int metric = 0; metric <= static_cast<int>(Metric::kSnr); metric++) {
    group.calls.push_back({"distances", BuildDistances, metric});
    group.calls.push_back({"distancesGradient", BuildDistancesGradient, metric});
  }
  return group;
}

}  // namespace hypersphere::test
