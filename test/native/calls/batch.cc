// Losses over the pairs and triplets of a batch and those over proxies, with the options that lib/native lets through.
#include "../../../native/ops/ops.h"
#include "call.h"

namespace hypersphere::test {
namespace {

constexpr double kMild = 1e30, kFloat32 = 0x1p118;

struct Rows {
  size_t n, m, d;
};

// Work grows by the pairs, with some losses by the triplets.
Rows RowsOf(Source& from, size_t most) {
  Rows rows{};
  rows.n = from.Length(0, most);
  rows.m = from.Flag() ? from.Length(0, most / 2) : 0;
  rows.d = from.Length(1, 130);
  return rows;
}

Metric PairMetric(Source& from) {
  return from.Of({Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity, Metric::kSnr});
}

void BuildTriplet(Call& call, int mining) {
  Source& from = call.source;
  BatchTripletOp op{};
  op.mining = static_cast<Mining>(mining);
  op.soft = from.Flag();
  op.swap = from.Flag();
  const auto [n, m, d] = RowsOf(from, op.soft || op.swap ? 70 : 300);
  op.n = n;
  op.m = m;
  op.d = d;
  op.metric = PairMetric(from);
  op.normalize = from.Flag();
  op.margin = from.Number(0, kFloat32);
  op.seed = from.Word();
  op.reduction = from.Of({TermReduction::kMean, TermReduction::kSum, TermReduction::kMeanPositive});
  op.x = call.Rows(n, d);
  op.labels = call.AnyLabels(n);
  op.memory = call.Rows(m, d);
  op.memory_labels = call.AnyLabels(m);
  op.grad_x = call.OptionalResult(n * d);
  op.result = call.Result<double>(3);
  call.run = [op](const std::atomic<bool>* cancel) { return BatchTriplet(op, cancel); };
}

void SetNumbers(Source& from, BatchLossOp& op) {
  const auto set = [&](std::initializer_list<double> numbers) {
    size_t i = 0;
    for (const double number : numbers) op.numbers[i++] = number;
  };
  const auto mild = [&] { return from.Number(1 / kMild, kMild); };
  const auto margin = [&] { return from.Number(-kFloat32, kFloat32); };
  const auto bins = [&] { return static_cast<double>(from.Byte() % 16 == 15 ? from.Size(1, 3000) : from.Length(1, 40)); };
  switch (op.kind) {
    case BatchLossKind::kCircle: {
      const double m = from.Number(0, 1e15);
      return set({m, from.Number(1 / kMild, kMild / (1 + m))});
    }
    case BatchLossKind::kMultiSimilarity:
      return set({mild(), mild(), from.Number(-1e300, 1e300), from.Flag() ? __builtin_nan("") : from.Number(0, 1e300)});
    case BatchLossKind::kContrastive: return set({margin(), margin()});
    case BatchLossKind::kLiftedStructure: return set({margin(), margin(), from.Flag() ? 1.0 : 0.0});
    case BatchLossKind::kIntraPairVariance: return set({from.Number(0, 1), from.Number(0, 1e300)});
    case BatchLossKind::kPnp: return set({double(from.Byte() % 5), mild(), from.Number(1e-300, 1e300), from.Number(1e-300, 1e300)});
    case BatchLossKind::kAngular: return set({from.Number(0, 3e32)});
    case BatchLossKind::kTupletMargin: return set({from.Number(0, 3.14159), from.Number(0x1p-126, 0x1p126)});
    case BatchLossKind::kTcm: return set({from.Number(0, 1e300), from.Number(0, 1e300), from.Number(-1, 1), from.Number(-1, 1)});
    case BatchLossKind::kRankedList:
      return set({from.Number(0, 0x1p60), from.Number(0, 0x1p60), from.Number(0, 1), from.Number(0, 0x1p60), from.Number(0, 0x1p60)});
    case BatchLossKind::kFastAp:
    case BatchLossKind::kHistogram: return set({bins()});
    case BatchLossKind::kMargin: return set({from.Number(0, kFloat32 / 2), op.betas > 1 ? 0 : from.Number(0, 1e300)});
    default: return set({mild()});  // a temperature or a scale
  }
}

void BuildLoss(Call& call, int kind) {
  Source& from = call.source;
  BatchLossOp op{};
  op.kind = static_cast<BatchLossKind>(kind);
  // Both go by triplets: each pair is a pass over the columns.
  const bool by_pairs = op.kind == BatchLossKind::kAngular || op.kind == BatchLossKind::kPnp;
  const auto [n, m, d] = RowsOf(from, by_pairs ? 70 : 300);
  op.n = n;
  op.m = m;
  op.d = d;
  op.metric = PairMetric(from);
  op.normalize = from.Flag();
  op.reduction = from.Of({TermReduction::kMean, TermReduction::kSum, TermReduction::kMeanPositive});
  if (op.kind == BatchLossKind::kMargin) {
    op.betas = from.Flag() ? 1 : from.Length(1, 40);
    std::vector<float> beta(op.betas);
    for (float& boundary : beta) boundary = static_cast<float>(from.Number(-kFloat32 / 2, kFloat32 / 2));
    op.beta = call.Given(beta);
    op.grad_beta = call.OptionalResult(op.betas);
  }
  SetNumbers(from, op);
  op.x = call.Rows(n, d);
  op.labels = op.betas > 1 ? call.ClassLabels(n, op.betas) : call.AnyLabels(n);
  op.memory = call.Rows(m, d);
  op.memory_labels = call.AnyLabels(m);
  op.loss = call.Result<double>(1);
  op.per_example = call.OptionalResult(n);
  op.grad_x = call.OptionalResult(n * d);
  call.run = [op](const std::atomic<bool>* cancel) { return BatchLoss(op, cancel); };
}

void BuildProxyAnchor(Call& call, int) {
  Source& from = call.source;
  ProxyAnchorOp op{};
  op.n = from.Length(0, 150);
  op.d = from.Length(1, 130);
  op.classes = from.Length(1, 100);
  op.margin = from.Number(0, kMild);
  op.alpha = from.Number(1 / kMild, kMild);
  op.x = call.Rows(op.n, op.d);
  op.proxies = call.Rows(op.classes, op.d);
  op.labels = call.ClassLabels(op.n, op.classes);
  op.loss = call.Result<double>(1);
  op.grad_x = call.OptionalResult(op.n * op.d);
  op.grad_proxies = call.OptionalResult(op.classes * op.d);
  call.run = [op](const std::atomic<bool>* cancel) { return ProxyAnchor(op, cancel); };
}

}  // namespace

Group BatchCalls() {
  Group group{"batch", {{"proxyAnchor", BuildProxyAnchor, 0}}};
  for (int kind = 0; kind <= static_cast<int>(BatchLossKind::kHistogram); kind++) group.calls.push_back({"batchLoss", BuildLoss, kind});
  for (int mining = 0; mining <= static_cast<int>(Mining::kFaceNetSemiHard); mining++) group.calls.push_back({"batchTriplet", BuildTriplet, mining});
  return group;
}

}  // namespace hypersphere::test
