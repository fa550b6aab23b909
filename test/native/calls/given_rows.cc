// Centers, given pairs and given triplets.
#include "../../../native/ops/ops.h"
#include "call.h"

namespace hypersphere::test {
namespace {

void BuildCenterLoss(Call& call, int) {
  Source& from = call.source;
  CenterLossOp op{};
  op.classes = from.Length(1, 100);
  op.n = from.Length(0, 300);
  op.d = from.Length(1, 300);
  op.scale = from.Number(0, 1);
  op.x = call.Rows(op.n, op.d);
  op.labels = call.ClassLabels(op.n, op.classes);
  op.centers = call.Rows(op.classes, op.d);
  op.per_example = call.Result<float>(op.n);
  op.grad_x = call.OptionalResult(op.n * op.d);
  op.grad_centers = call.OptionalResult(op.classes * op.d);
  op.loss = call.Result<double>(1);
  call.run = [op](const std::atomic<bool>* cancel) { return CenterLoss(op, cancel); };
}

void BuildUpdateCenters(Call& call, int) {
  Source& from = call.source;
  UpdateCentersOp op{};
  op.classes = from.Length(1, 100);
  op.n = from.Length(0, 300);
  op.d = from.Length(1, 300);
  op.alpha = from.Number(0, 1);
  op.x = call.Rows(op.n, op.d);
  op.labels = call.ClassLabels(op.n, op.classes);
  op.centers = call.MovedRows(op.classes, op.d);
  call.run = [op](const std::atomic<bool>* cancel) { return UpdateCenters(op, cancel); };
}

void BuildContrastive(Call& call, int) {
  Source& from = call.source;
  ContrastiveOp op{};
  PairRows& rows = op.rows;
  rows.rows = from.Length(0, 300);
  rows.d = from.Length(1, 300);
  rows.margin = from.Number(0, 1e300);
  rows.scale = from.Number(0, 1);
  rows.x1 = call.Rows(rows.rows, rows.d);
  rows.x2 = call.Rows(rows.rows, rows.d);
  rows.same = call.ClassLabels(rows.rows, 2);
  rows.per_example = call.Result<float>(rows.rows);
  rows.grad_x1 = call.OptionalResult(rows.rows * rows.d);
  rows.grad_x2 = call.OptionalResult(rows.rows * rows.d);
  op.loss = call.Result<double>(1);
  call.run = [op](const std::atomic<bool>* cancel) { return Contrastive(op, cancel); };
}

void BuildTriplet(Call& call, int) {
  Source& from = call.source;
  TripletOp op{};
  TripletRows& rows = op.rows;
  rows.rows = from.Length(0, 300);
  rows.d = from.Length(1, 150);
  rows.root = from.Flag();
  rows.margin = from.Number(0, 1e300);
  rows.p = rows.root && from.Flag() ? from.Number(1, 1e300) : 2;
  rows.eps = rows.root && from.Flag() ? from.Number(0, 1e300) : 0;
  rows.swap = from.Flag();
  rows.scale = from.Number(0, 1);
  rows.anchor = call.Rows(rows.rows, rows.d);
  rows.positive = call.Rows(rows.rows, rows.d);
  rows.negative = call.Rows(rows.rows, rows.d);
  rows.per_example = call.Result<float>(rows.rows);
  rows.grad_anchor = call.OptionalResult(rows.rows * rows.d);
  rows.grad_positive = call.OptionalResult(rows.rows * rows.d);
  rows.grad_negative = call.OptionalResult(rows.rows * rows.d);
  op.loss = call.Result<double>(1);
  call.run = [op](const std::atomic<bool>* cancel) { return Triplet(op, cancel); };
}

}  // namespace

Group GivenRowsCalls() {
  return {"given_rows",
          {{"centerLoss", BuildCenterLoss, 0},
           {"updateCenters", BuildUpdateCenters, 0},
           {"contrastive", BuildContrastive, 0},
           {"triplet", BuildTriplet, 0}}};
}

}  // namespace hypersphere::test
