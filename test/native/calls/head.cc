// The classification heads: every margin, chosen rows, bfloat16, updates in place, and the two passes of a shard.
#include <algorithm>

#include "../../../native/ops/ops.h"
#include "call.h"

namespace hypersphere::test {
namespace {

constexpr double kPi = 3.141592653589793;

double Scale(Source& from) { return from.Number(1e-300, 1e30); }

// As lib/margins and lib/native/softmax.ts make them.
Margin MarginOf(Source& from, MarginKind kind) {
  Margin margin{kind, 0, 0, 1, 1, {}};
  const auto set = [&](std::initializer_list<double> numbers) {
    size_t i = 0;
    for (const double number : numbers) margin.numbers[i++] = number;
  };
  const auto at_least_0 = [&] { return from.Number(0, 1e300); };
  switch (kind) {
    case MarginKind::kSoftmax:
    case MarginKind::kP2sGrad: break;
    case MarginKind::kNormalizedSoftmax: margin.scale = 1 / from.Number(1e-30, 1e300); break;
    case MarginKind::kASoftmax: margin.gradient = from.Flag() ? 2 : 0; [[fallthrough]];
    case MarginKind::kLSoftmax: set({double(1 + from.Byte() % 64), at_least_0()}); break;
    case MarginKind::kCosFace:
      margin.scale = Scale(from);
      set({at_least_0()});
      break;
    case MarginKind::kArcFace:
      margin.choice = static_cast<int>(from.Byte() % 4);
      margin.gradient = from.Flag() ? 1 : 0;
      margin.scale = Scale(from);
      set({from.Number(0, kPi), from.Number(1e-300, 0.999)});
      break;
    case MarginKind::kCombinedMargin:
      margin.gradient = from.Flag() ? 1 : 0;
      margin.scale = Scale(from);
      set({from.Number(1e-300, 1e6), at_least_0(), at_least_0()});
      break;
    case MarginKind::kSphereFaceR:
      margin.choice = static_cast<int>(from.Byte() % 3);
      margin.gradient = from.Flag() ? 1 : 0;
      margin.scale = Scale(from);
      set({from.Number(1, 64), from.Number(1e-300, 1e300)});
      break;
    case MarginKind::kSphereFace2: {
      margin.choice = static_cast<int>(from.Byte() % 3);
      margin.gradient = from.Flag() ? 1 : 0;
      const double m = margin.choice == 0 ? at_least_0() : margin.choice == 1 ? from.Number(0, kPi) : from.Number(1, 64);
      set({from.Number(1e-300, 0.999), Scale(from), m, from.Number(1, 1e300), from.Number(1e-300, 1e300)});
      break;
    }
    case MarginKind::kAdaFace:
      margin.scale = Scale(from);
      set({at_least_0(), at_least_0(), from.Number(0, 1), at_least_0(), at_least_0()});
      break;
    case MarginKind::kMagFace: {
      margin.choice = from.Flag() ? 1 : 0;
      margin.scale = Scale(from);
      const double low = from.Number(1e-300, 1e300), least = from.Number(0, kPi);
      set({low, low * 2, least, from.Number(least, kPi), at_least_0()});
      break;
    }
    case MarginKind::kCurricularFace:
      margin.scale = Scale(from);
      set({from.Number(0, kPi), from.Number(-1, 1), from.Number(0, 1)});
      break;
    case MarginKind::kSoftTriple:
      margin.scale = from.Number(1e-300, 1e6);
      set({from.Number(1e-30, 1e300), at_least_0()});
      break;
  }
  constexpr MarginKind kWithCenters[] = {MarginKind::kNormalizedSoftmax, MarginKind::kCosFace, MarginKind::kArcFace,         MarginKind::kCombinedMargin, MarginKind::kSphereFaceR,
                                         MarginKind::kAdaFace,           MarginKind::kMagFace, MarginKind::kCurricularFace, MarginKind::kSoftTriple};
  const bool centers = std::find(std::begin(kWithCenters), std::end(kWithCenters), kind) != std::end(kWithCenters);
  if (centers && from.Flag()) margin.k = from.Byte() % 16 == 15 ? from.Size(1, kSoftmaxCols) : from.Length(1, 10);
  return margin;
}

// The op and what it points to.
struct Head {
  MarginSoftmaxOp op{};
  WeightUpdate update{};
};

void AddUpdate(Call& call, Head& head, size_t rows) {
  Source& from = call.source;
  WeightUpdate& update = head.update;
  update.rule = from.Of({Rule::kSgd, Rule::kAdaGrad});
  const bool half = from.Flag();
  if (update.rule == Rule::kAdaGrad || from.Flag()) {
    if (half) update.half_state = call.MovedHalves(rows, head.op.d);
    if (!half) update.state = call.MovedRows(rows, head.op.d);
  }
  update.stochastic = from.Flag();
  update.seed = from.Word();
  update.learning_rate = from.Number(1e-300, 1e300);
  update.momentum = from.Number(0, 0.999);
  update.weight_decay = from.Number(0, 1e300);
  update.eps = from.Number(1e-37, 1e300);
  head.op.update = &update;
}

void BuildHead(Call& call, int kind) {
  Source& from = call.source;
  const auto head = std::make_shared<Head>();
  MarginSoftmaxOp& op = head->op;
  op.margin = MarginOf(from, static_cast<MarginKind>(kind));
  const size_t k = op.margin.k;
  op.d = from.Length(1, 130);
  op.n = from.Length(0, 70);
  const size_t most = std::min<size_t>(600, 60000 / (op.d * k) + 1);
  const size_t all = from.Byte() % 8 == 7 ? from.Size(1, most) : from.Length(1, most);
  op.classes = all;
  if (from.Flag()) {
    std::vector<int32_t> rows;
    const uint32_t share = 1 + from.Byte() % 4;
    for (size_t row = 0; row < all; row++) {
      if (row % share == 0) rows.push_back(static_cast<int32_t>(row));
    }
    op.classes = rows.size();
    op.rows = call.Given(rows);
  }
  const uint32_t phases = from.Byte() % 4;  // beyond 1: one of the two passes of a shard
  op.phase = phases == 2 ? Phase::kForward : phases == 3 ? Phase::kBackward : Phase::kBoth;
  const bool binary = op.margin.kind == MarginKind::kSphereFace2 || op.margin.kind == MarginKind::kP2sGrad;
  const bool both = op.phase == Phase::kBoth;
  op.all_classes = both ? op.classes : op.classes + from.Byte();
  op.reduction = from.Of({Reduction::kMean, Reduction::kSum, Reduction::kNone});
  op.label_smoothing = !binary && from.Flag() ? from.Number(0, 1) : 0;
  op.workspace_bytes = from.Of<size_t>({1, 4096, size_t{1} << 20, size_t{96} << 20});
  op.x = call.Rows(op.n, op.d);
  op.labels = both ? call.ClassLabels(op.n, op.classes, {kIgnored}) : call.ClassLabels(op.n, op.classes, {kIgnored, kElsewhere});
  if (op.margin.kind == MarginKind::kSoftmax) op.bias = call.OptionalRows(op.classes, 1);
  if (op.margin.kind == MarginKind::kSphereFace2) op.bias = call.OptionalRows(1, 1);
  if (both && !binary && from.Flag()) {
    std::vector<float> weights(op.classes);
    for (float& weight : weights) weight = static_cast<float>(from.Number(0, 1e38));
    op.class_weights = call.Given(weights);
  }
  op.grad_output = op.reduction == Reduction::kNone ? call.OptionalRows(op.n, 1) : nullptr;
  if (from.Flag()) {
    op.half_weights = call.MovedHalves(all * k, op.d);
  } else {
    op.weights = call.MovedRows(all * k, op.d);
  }
  op.per_example = call.Result<float>(op.n);
  op.logits = op.phase != Phase::kBackward ? call.OptionalResult(op.n * op.classes) : nullptr;
  if (op.phase != Phase::kForward) {
    op.grad_x = call.OptionalResult(op.n * op.d);
    if (from.Flag()) {
      AddUpdate(call, *head, all * k);
    } else {
      op.grad_weights = call.OptionalResult(op.classes * k * op.d);
    }
    if (op.bias != nullptr) op.grad_bias = call.OptionalResult(op.margin.kind == MarginKind::kSoftmax ? op.classes : 1);
  }
  op.result = call.Result<double>(kStatistics);
  if (op.phase == Phase::kForward) op.statistics = call.Result<double>(op.n * kStatistics);
  if (op.phase == Phase::kBackward) {
    std::vector<double> statistics(op.n * kStatistics);
    for (double& number : statistics) number = from.Number(-1e300, 1e300);
    op.statistics = const_cast<double*>(call.Given(statistics));
  }
  call.run = [head](const std::atomic<bool>* cancel) { return MarginSoftmax(head->op, cancel); };
}

}  // namespace

Group HeadCalls() {
  Group group{"head", {}};
  for (int kind = 0; kind <= static_cast<int>(MarginKind::kP2sGrad); kind++) group.calls.push_back({"marginSoftmax", BuildHead, kind});
  return group;
}

}  // namespace hypersphere::test
