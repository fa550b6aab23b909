#include "args.h"
#include "implementation.h"

namespace hypersphere {

namespace {

// Each loss comes back in a Float64Array of one element.
void ContrastiveSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x1", "x2", "same", "n", "d", "margin", "scale", "loss", "perExample", "gradX1", "gradX2"});
  ContrastiveOp op{};
  PairRows& rows = op.rows;
  rows.rows = args.Size(3);
  rows.d = args.Size(4);
  rows.margin = args.Number(5);
  rows.scale = args.Number(6);
  rows.x1 = args.Floats(0, rows.rows, rows.d);
  rows.x2 = args.Floats(1, rows.rows, rows.d);
  rows.same = args.Ints(2, rows.rows, 1);
  op.loss = args.Doubles(7, 1);
  rows.per_example = args.Floats(8, rows.rows, 1);
  rows.grad_x1 = args.OptionalFloats(9, rows.rows, rows.d);
  rows.grad_x2 = args.OptionalFloats(10, rows.rows, rows.d);
  args.CheckApart({7, 8, 9, 10});
  Expect(info.Env(), ImplementationOf(info).contrastive(op, nullptr));
}

void TripletSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"anchor", "positive", "negative", "n", "d", "euclidean", "margin", "p", "eps", "swap", "scale", "loss",
                         "perExample", "gradAnchor", "gradPositive", "gradNegative"});
  TripletOp op{};
  TripletRows& rows = op.rows;
  rows.rows = args.Size(3);
  rows.d = args.Size(4);
  rows.root = args.Flag(5);
  rows.margin = args.Number(6);
  rows.p = args.Number(7);
  rows.eps = args.Number(8);
  rows.swap = args.Flag(9);
  rows.scale = args.Number(10);
  rows.anchor = args.Floats(0, rows.rows, rows.d);
  rows.positive = args.Floats(1, rows.rows, rows.d);
  rows.negative = args.Floats(2, rows.rows, rows.d);
  op.loss = args.Doubles(11, 1);
  rows.per_example = args.Floats(12, rows.rows, 1);
  rows.grad_anchor = args.OptionalFloats(13, rows.rows, rows.d);
  rows.grad_positive = args.OptionalFloats(14, rows.rows, rows.d);
  rows.grad_negative = args.OptionalFloats(15, rows.rows, rows.d);
  args.CheckApart({11, 12, 13, 14, 15});
  Expect(info.Env(), ImplementationOf(info).triplet(op, nullptr));
}

}  // namespace

void ExportGivenRows(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "contrastiveLoss", ContrastiveSync);
  ExportFor(who, exports, "tripletLoss", TripletSync);
}

}  // namespace hypersphere
