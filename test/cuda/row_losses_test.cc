// The losses over rows of a batch on the device with the CPU's bits: each in its forms, with and without gradient, beside a memory, on rows that need
// every way round, in batches where a side of a row is empty, and in more than one block of anchors.
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

struct Batch {
  std::vector<float> x;
  std::vector<int32_t> labels;
  size_t stored, d;  // rows at the end that are a memory's
  size_t Rows() const { return labels.size() - stored; }
};

struct Form {
  const char* name;
  BatchLossKind kind;
  std::vector<double> numbers;
  Metric metric = Metric::kCosineSimilarity;
  bool normalize = true;
  TermReduction reduction = TermReduction::kMean;
  size_t betas = 0;
};

// The contrastive loss by every distance, or by two.
std::vector<Form> Forms(bool every) {
  std::vector<Form> forms = {
      {"supCon", BatchLossKind::kSupCon, {0.2}},
      {"supCon, cold", BatchLossKind::kSupCon, {1e-5}},
      {"ntXent", BatchLossKind::kNtXent, {0.2}},
      {"circle", BatchLossKind::kCircle, {0.25, 16}},
      {"multiSimilarity", BatchLossKind::kMultiSimilarity, {2, 8, 0.5, NAN}},
      {"multiSimilarity, mined", BatchLossKind::kMultiSimilarity, {2, 8, 0.5, 0.1}},
      {"nca", BatchLossKind::kNca, {2}},
      {"nca", BatchLossKind::kNca, {0.01}, Metric::kCosineSimilarity, false},
      {"liftedStructure", BatchLossKind::kLiftedStructure, {1, 0.2, 0}},
      {"liftedStructure", BatchLossKind::kLiftedStructure, {2, 0.5, 0}, Metric::kCosineSimilarity, false},
      {"liftedStructure, generalized", BatchLossKind::kLiftedStructure, {1, 0.2, 1}},
      {"liftedStructure, generalized", BatchLossKind::kLiftedStructure, {-2, 0.5, 1}, Metric::kCosineSimilarity, false},
      {"intraPairVariance", BatchLossKind::kIntraPairVariance, {0.01, 0.01}},
      {"rankedList", BatchLossKind::kRankedList, {0.4, 1.2, 0.5, 2, 3}},
      {"tcm", BatchLossKind::kTcm, {1, 0.5, 0.9, 0.3}},
      {"tcm, no weight", BatchLossKind::kTcm, {0, 0, 0.9, 0.3}},
      {"margin", BatchLossKind::kMargin, {0.2, 0.1}, Metric::kCosineSimilarity, true, TermReduction::kMean, 1},
      {"margin", BatchLossKind::kMargin, {0.5, 0}, Metric::kCosineSimilarity, false, TermReduction::kMean, 12},
      {"tupletMargin", BatchLossKind::kTupletMargin, {0.1, 64}},
      {"fastAp", BatchLossKind::kFastAp, {10}},
      {"fastAp, one bin", BatchLossKind::kFastAp, {1}},
      {"histogram", BatchLossKind::kHistogram, {100}},
      {"angular", BatchLossKind::kAngular, {0.7}},
      {"angular, steep", BatchLossKind::kAngular, {1e6}},
      {"histogram, one bin", BatchLossKind::kHistogram, {1}},
  };
  for (const double variant : {0, 1, 2, 3, 4}) forms.push_back({"pnp", BatchLossKind::kPnp, {variant, 0.01 + variant / 10, 2, 4}});
  for (const Metric metric : {Metric::kEuclidean, Metric::kSnr, Metric::kSquaredEuclidean, Metric::kCosineSimilarity}) {
    if (!every && metric == Metric::kSquaredEuclidean) break;
    for (const TermReduction reduction : {metric == Metric::kEuclidean ? TermReduction::kSum : TermReduction::kMean, TermReduction::kMeanPositive}) {
      const bool cosine = metric == Metric::kCosineSimilarity, normalize = reduction == TermReduction::kMeanPositive;
      forms.push_back({"contrastive", BatchLossKind::kContrastive, {cosine ? 0.8 : 0.5, cosine ? 0.3 : normalize ? 1.2 : 2}, metric, normalize, reduction});
    }
  }
  return forms;
}

void TestForm(const char* name, const Batch& batch, const Form& form, bool wanted) {
  const std::string op = std::string("batch loss ") + form.name;
  TestBits(op.c_str(), name, [&](bool device) {
    const size_t n = batch.Rows();
    std::vector<double> numbers(1, 7);
    std::vector<float> rows(n, 7), gradient(n * batch.d, 7);
    BatchLossOp op{};
    op.kind = form.kind;
    op.x = batch.x.data();
    op.memory = batch.x.data() + n * batch.d;
    op.n = n;
    op.m = batch.stored;
    op.d = batch.d;
    op.metric = form.metric;
    op.normalize = form.normalize;
    op.reduction = form.reduction;
    for (size_t i = 0; i < form.numbers.size(); i++) op.numbers[i] = form.numbers[i];
    // One boundary for all rows, or one a label, which is then none below 0.
    std::vector<float> beta(form.betas), grad_beta(form.betas, 7);
    std::vector<int32_t> labels = batch.labels;
    for (size_t t = 0; t < beta.size(); t++) beta[t] = 1 + 0.05f * static_cast<float>(t);
    for (int32_t& label : labels) label = form.betas > 1 ? (label + 20) % 12 : label;
    op.labels = labels.data();
    op.memory_labels = labels.data() + n;
    op.beta = beta.data();
    op.betas = form.betas;
    op.grad_beta = wanted && form.betas > 0 ? grad_beta.data() : nullptr;
    op.loss = numbers.data();
    op.per_example = wanted ? rows.data() : nullptr;
    op.grad_x = wanted ? gradient.data() : nullptr;
    Succeed(device ? cuda::BatchLoss(op, nullptr) : BatchLoss(op, nullptr));
    Append(numbers, rows);
    Append(numbers, gradient);
    Append(numbers, grad_beta);
    return numbers;
  });
}

std::vector<int32_t> Labels(size_t n, size_t classes) {
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * i % (classes + 2)) - 2;
  return labels;
}

// No infinity and no NaN, else one such row is all that is seen.
std::vector<float> Finite(std::vector<float> rows) {
  for (float& value : rows) value = value - value == 0 ? value : 3;
  return rows;
}

}  // namespace

void hypersphere::test::TestRowLosses() {
  const std::vector<Form> forms = Forms(true), fewer = Forms(false);
  std::vector<float> equal = Normals(14 * 4, 6);
  for (size_t i = 4; i < equal.size(); i++) equal[i] = equal[i % 8];
  std::vector<int32_t> alone(11);
  for (size_t i = 0; i < alone.size(); i++) alone[i] = static_cast<int32_t>(5 * i) - 20;
  const std::pair<const char*, Batch> batches[] = {
      {"plain", {Normals(21 * 5, 1), Labels(21, 6), 0, 5}},
      {"with a memory", {Normals(27 * 17, 2), Labels(27, 5), 10, 17}},
      {"offset", {Normals(19 * 3, 3, 1, 100), Labels(19, 4), 0, 3}},
      {"far and near", {Finite(Nasty(21, 4, 4)), Labels(21, 4), 5, 4}},
      {"nasty", {Nasty(9, 4, 4), Labels(9, 3), 0, 4}},
      {"equal rows", {equal, Labels(14, 4), 0, 4}},
      {"no positives", {Normals(11 * 4, 7), alone, 0, 4}},
      {"one class", {Normals(9 * 4, 7), std::vector<int32_t>(9, 3), 0, 4}},
      {"two rows", {Normals(2 * 4, 8), {5, 5}, 0, 4}},
      {"one row beside a memory", {Normals(4 * 4, 9), {5, 5, 6, 5}, 3, 4}},
      {"one row", {Normals(4, 9), {5}, 0, 4}},
      {"no rows", {{}, {}, 0, 4}},
  };
  for (const auto& [name, batch] : batches) {
    for (const Form& form : batch.Rows() > 16 ? forms : fewer) TestForm(name, batch, form, true);
  }
  for (const Form& form : fewer) TestForm("without a gradient", batches[1].second, form, false);
  // More rows than one block of anchors takes, and for some of them runs of more columns than a piece of a sum.
  std::vector<int32_t> pairs(520);
  for (size_t i = 0; i < pairs.size(); i++) pairs[i] = static_cast<int32_t>(i * 7 % 260);
  const Batch many{Normals(520 * 2, 10), pairs, 0, 2};
  TestForm("several blocks", many, {"liftedStructure", BatchLossKind::kLiftedStructure, {1, 0.2, 0}}, true);
  // The end of a block cuts a class, and rows of the memory are more than a block.
  std::vector<int32_t> threes(820);
  for (size_t i = 0; i < threes.size(); i++) threes[i] = static_cast<int32_t>(i % 175);
  const Batch beside{Normals(820 * 2, 12), threes, 300, 2};
  TestForm("several blocks", beside, {"angular", BatchLossKind::kAngular, {0.7}}, true);
  for (const BatchLossKind kind : {BatchLossKind::kFastAp, BatchLossKind::kHistogram}) {
    TestForm("several blocks", many, {"of histograms", kind, {30}}, true);
    // More rows than there are groups that have histograms.
    TestForm("most bins", {Normals(40 * 3, 11), Labels(40, 6), 0, 3}, {"of histograms", kind, {65536}}, true);
  }
}
