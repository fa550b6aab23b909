// Contrastive and triplet loss of given rows, with and without all of their gradients, and the batch triplet loss: every rule, metric and form of
// it, and `swap`, with the CPU's bits, in one block of anchors and in several, on plain rows and on rows that need every way round.
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

constexpr Metric kMetrics[] = {Metric::kEuclidean, Metric::kSquaredEuclidean, Metric::kCosineSimilarity, Metric::kSnr};

struct Batch {
  std::vector<float> x;
  std::vector<int32_t> labels;
  size_t stored, d;  // rows at the end that are a memory's
  size_t Rows() const { return labels.size() - stored; }
};

std::vector<int32_t> Labels(size_t n, size_t classes) {
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * i % (classes + 2)) - 2;
  return labels;
}

BatchTripletOp OpOf(const Batch& batch, double* result, float* grad_x) {
  const size_t n = batch.Rows();
  BatchTripletOp op{};
  op.x = batch.x.data();
  op.labels = batch.labels.data();
  op.memory = batch.x.data() + n * batch.d;
  op.memory_labels = batch.labels.data() + n;
  op.n = n;
  op.m = batch.stored;
  op.d = batch.d;
  op.result = result;
  op.grad_x = grad_x;
  return op;
}

template <class Set>
void TestLoss(const char* name, const Batch& batch, const Set& set) {
  for (const bool wanted : {true, false}) {
    if (!wanted && batch.stored == 0) continue;  // once is enough
    TestBits("batchTripletLoss", name, [&](bool device) {
      std::vector<double> numbers(3, NAN);
      std::vector<float> gradient(wanted ? batch.Rows() * batch.d : 0, 7);
      BatchTripletOp op = OpOf(batch, numbers.data(), wanted ? gradient.data() : nullptr);
      set(op);
      Succeed(device ? cuda::BatchTriplet(op, nullptr) : BatchTriplet(op, nullptr));
      Append(numbers, gradient);
      return numbers;
    });
  }
}

void TestRules(const char* name, const Batch& batch, const std::vector<Metric>& metrics) {
  for (int mining = 0; mining <= static_cast<int>(Mining::kFaceNetSemiHard); mining++) {
    for (const Metric metric : metrics) {
      for (const int form : {metric == Metric::kEuclidean ? 1 : 0, metric == Metric::kEuclidean ? 2 : 3}) {
        TestLoss(name, batch, [&](BatchTripletOp& op) {
          op.mining = static_cast<Mining>(mining);
          op.metric = metric;
          op.normalize = form % 2 == 1;
          op.soft = form >= 2;
          op.margin = metric == Metric::kCosineSimilarity || op.normalize ? 0.2 : 1.5;
          op.seed = 7;
          op.reduction = static_cast<TermReduction>(mining % 3);
        });
      }
    }
  }
}

// The stand-in takes long over triplets that stream: a form at a time.
void TestSwap(const char* name, const Batch& batch, const std::vector<Metric>& metrics, int form = 0) {
  for (int mining = 0; mining <= static_cast<int>(Mining::kFaceNetSemiHard); mining++) {
    for (const Metric metric : metrics) {
      TestLoss(name, batch, [&](BatchTripletOp& op) {
        op.mining = static_cast<Mining>(mining);
        op.metric = metric;
        op.swap = true;
        op.soft = form % 2 == 1;
        op.normalize = form % 4 >= 2;
        op.margin = metric == Metric::kCosineSimilarity || op.normalize ? 0.2 : 1.5;
        op.seed = 7;
        op.reduction = static_cast<TermReduction>(mining % 3);
      });
      form++;
    }
  }
}

void TestGivenRows(const char* name, const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& c, size_t d) {
  const size_t n = a.size() / d;
  std::vector<int32_t> same(n);
  for (size_t i = 0; i < n; i++) same[i] = i % 3 == 0;
  for (const bool wanted : {true, false}) {
    TestBits("contrastiveLoss", name, [&](bool device) {
      std::vector<double> values(n), loss(1, NAN);
      std::vector<float> terms(n, NAN), of_a(n * d, 7), of_b(n * d, 7);
      const ContrastiveOp op{{a.data(), b.data(), same.data(), values.data(), terms.data(), wanted ? of_a.data() : nullptr, of_b.data(), n, d, 2, 0.25}, loss.data()};
      Succeed(device ? cuda::Contrastive(op, nullptr) : Contrastive(op, nullptr));
      for (const auto* part : {&terms, &of_a, &of_b}) Append(loss, *part);
      return loss;
    });
    for (const int form : {0, 1, 2, 3}) {
      TestBits("tripletLoss", name, [&](bool device) {
        std::vector<double> values(n), loss(1, NAN);
        std::vector<float> terms(n, NAN), of_a(n * d, 7), of_b(n * d, 7), of_c(n * d, 7);
        const TripletOp op{{a.data(), b.data(), c.data(), values.data(), terms.data(), of_a.data(), wanted ? of_b.data() : nullptr, of_c.data(), n, d, 1, 2,
                            form < 2 ? 0 : 1e-6, 0.5, form % 2 == 0, form >= 2},
                           loss.data()};
        Succeed(device ? cuda::Triplet(op, nullptr) : Triplet(op, nullptr));
        for (const auto* part : {&terms, &of_a, &of_b, &of_c}) Append(loss, *part);
        return loss;
      });
    }
  }
}

}  // namespace

void hypersphere::test::TestTriplets() {
  const std::vector<Metric> all(std::begin(kMetrics), std::end(kMetrics));
  for (const size_t d : {1, 17, 40}) {
    TestGivenRows("plain", Normals(37 * d, 1), Normals(37 * d, 2), Normals(37 * d, 3), d);
    TestGivenRows("nasty", Nasty(34, d, 4), Nasty(34, d, 5), Nasty(34, d, 6), d);
    TestGivenRows("equal", Nasty(34, d, 4), Nasty(34, d, 4), Normals(34 * d, 7), d);
  }
  TestRules("plain", {Normals(35 * 5, 1), Labels(35, 6), 0, 5}, all);
  TestRules("with a memory", {Normals(27 * 17, 2), Labels(27, 5), 9, 17}, all);
  TestRules("offset", {Normals(19 * 3, 3, 1, 100), Labels(19, 4), 0, 3}, all);
  TestRules("nasty", {Nasty(26, 4, 4), Labels(26, 4), 0, 4}, all);
  std::vector<float> infinite = Normals(18 * 4, 5, 1e25f);
  TestRules("far out", {infinite, Labels(18, 5), 0, 4}, all);
  infinite[17] = INFINITY;
  TestRules("infinite", {infinite, Labels(18, 5), 0, 4}, all);
  std::vector<float> equal = Normals(20 * 4, 6);
  for (size_t i = 4; i < equal.size(); i++) equal[i] = equal[i % 8];
  TestRules("equal rows", {equal, Labels(20, 4), 0, 4}, all);
  TestRules("one class", {Normals(9 * 4, 7), std::vector<int32_t>(9, 3), 0, 4}, {Metric::kEuclidean});
  TestRules("two rows", {Normals(2 * 4, 8), {5, 5}, 0, 4}, {Metric::kEuclidean});
  TestRules("one row beside a memory", {Normals(4 * 4, 9), {5, 5, 6, 5}, 3, 4}, {Metric::kSnr});
  TestRules("no rows", {{}, {}, 0, 4}, {Metric::kEuclidean});
  TestSwap("swap, plain", {Normals(21 * 5, 1), Labels(21, 6), 0, 5}, all);
  TestSwap("swap, plain", {Normals(17 * 2, 1), Labels(17, 3), 0, 2}, all, 1);
  TestSwap("swap, with a memory", {Normals(17 * 18, 2), Labels(17, 5), 6, 18}, all);
  // A block has no more rows than the batch: the memory's come in several.
  TestSwap("swap, with a larger memory", {Normals(14 * 3, 2), Labels(14, 3), 10, 3}, {Metric::kSnr, Metric::kCosineSimilarity}, 1);
  TestSwap("swap, offset", {Normals(13 * 3, 3, 1, 100), Labels(13, 4), 0, 3}, {Metric::kEuclidean, Metric::kSnr});
  TestSwap("swap, nasty", {Nasty(18, 4, 4), Labels(18, 4), 0, 4}, all);
  TestSwap("swap, infinite", {infinite, Labels(18, 5), 0, 4}, {Metric::kEuclidean, Metric::kCosineSimilarity}, 1);
  TestSwap("swap, equal rows", {equal, Labels(20, 4), 0, 4}, all);
  TestSwap("swap, one class", {Normals(5 * 4, 7), std::vector<int32_t>(5, 3), 0, 4}, {Metric::kEuclidean});
  TestSwap("swap, one row beside a memory", {Normals(4 * 4, 9), {5, 5, 6, 5}, 3, 4}, {Metric::kSnr}, 1);
  TestSwap("swap, no rows", {{}, {}, 0, 4}, {Metric::kEuclidean});
  // More rows than one block of anchors takes.
  for (const Mining mining : {Mining::kBatchHard, Mining::kAll}) {
    TestLoss("several blocks", {Normals(514 * 2, 10), Labels(514, 90), 0, 2}, [=](BatchTripletOp& op) {
      op.mining = mining;
      op.metric = Metric::kEuclidean;
      op.margin = 0.5;
    });
  }
  // Classes of two or three, one of them in two blocks.
  std::vector<int32_t> small(514);
  for (size_t i = 0; i < small.size(); i++) small[i] = static_cast<int32_t>(i % 200);
  TestLoss("swap, several blocks", {Normals(514 * 2, 10), small, 0, 2}, [](BatchTripletOp& op) {
    op.mining = Mining::kSemiHardClosest;
    op.metric = Metric::kEuclidean;
    op.margin = 0.5;
    op.swap = true;
  });
}
