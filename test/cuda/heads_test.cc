// The heads on the device: margins, sub-centers, shards, steps of the optimiser and sampled classes, with weights of the host and with weights
// that stay there, all with the bits of the CPU.
#include <algorithm>
#include <initializer_list>

#include "../../native/cuda/ops/resident.h"
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;

struct Head {
  const char* name;
  Margin margin;
  size_t n = 13, d = 9, classes = 600;
  double smoothing = 0;
  bool bias = false, weighted = false;
  Reduction reduction = Reduction::kMean;
  Floats x = {}, weights = {};
};

Margin MarginOf(MarginKind kind, double scale, std::initializer_list<double> numbers = {}, size_t k = 1, int choice = 0, int gradient = 0) {
  Margin margin{};
  margin.kind = kind;
  margin.choice = choice;
  margin.gradient = gradient;
  margin.scale = scale;
  margin.k = k;
  std::copy(numbers.begin(), numbers.end(), margin.numbers);
  return margin;
}

// Of 600 classes, which are several tiles and chunks.
std::vector<Head> Margins() {
  using K = MarginKind;
  std::vector<Head> heads = {
      {"softmax", MarginOf(K::kSoftmax, 1)},
      {"softmax with sub-centers", MarginOf(K::kSoftmax, 1, {}, 4)},
      {"normalized softmax", MarginOf(K::kNormalizedSoftmax, 16)},
      {"L-Softmax", MarginOf(K::kLSoftmax, 1, {4, 1})},
      {"L-Softmax, straight through", MarginOf(K::kLSoftmax, 1, {2, 0.5}, 1, 0, 1)},
      {"A-Softmax", MarginOf(K::kASoftmax, 1, {4, 5})},
      {"A-Softmax of Caffe", MarginOf(K::kASoftmax, 1, {4, 5}, 1, 0, 2)},
      {"CosFace", MarginOf(K::kCosFace, 64, {0.35})},
      {"CosFace with sub-centers", MarginOf(K::kCosFace, 64, {0.35}, 3)},
      {"combined margin", MarginOf(K::kCombinedMargin, 64, {1.1, 0.3, 0.1})},
      {"AdaFace", MarginOf(K::kAdaFace, 64, {0.4, 0.333, 0.01, 20, 100})},
      {"AdaFace with sub-centers", MarginOf(K::kAdaFace, 64, {0.4, 0.333, 0.01, 20, 100}, 2)},
      {"MagFace", MarginOf(K::kMagFace, 64, {1, 110, 0.45, 0.8, 35})},
      {"CurricularFace", MarginOf(K::kCurricularFace, 64, {0.5, 0.2, 0.1})},
      {"CurricularFace with sub-centers", MarginOf(K::kCurricularFace, 64, {0.5, 0.2, 0.1}, 3)},
      {"SoftTriple", MarginOf(K::kSoftTriple, 20, {0.1, 0.01}, 5)},
      {"SoftTriple of many", MarginOf(K::kSoftTriple, 20, {0.1, 0.01}, 100)},
      {"p2sGrad", MarginOf(K::kP2sGrad, 1)},
  };
  for (int choice = 0; choice < 4; choice++) heads.push_back({"ArcFace", MarginOf(K::kArcFace, 64, {0.5, 1e-3}, 1, choice, choice % 2)});
  for (int choice = 0; choice < 3; choice++) {
    heads.push_back({"SphereFace-R", MarginOf(K::kSphereFaceR, 30, {1.7, 1}, 1, choice)});
    heads.push_back({"SphereFace2", MarginOf(K::kSphereFace2, 1, {0.7, 40, 0.2, 3, 1}, 1, choice)});
    heads.back().bias = true;
  }
  return heads;
}

// With the options that the others leave out.
std::vector<Head> OfFewClasses(std::vector<Head> heads) {
  for (Head& other : heads) {
    using K = MarginKind;
    const bool binary = other.margin.kind == K::kSphereFace2 || other.margin.kind == K::kP2sGrad;
    other.d = 20;
    other.classes = 61;
    other.reduction = Reduction::kNone;
    if (!binary) other.smoothing = 0.1;
    if (!binary) other.weighted = true;
    if (other.margin.kind == K::kSoftmax && other.margin.k == 1) other.bias = true;
  }
  return heads;
}

std::vector<Head> WithRows(std::vector<Head> heads) {
  for (Head& head : heads) {
    head.x = Normals(head.n * head.d, 1);
    head.weights = Normals(head.classes * head.margin.k * head.d, 2);
  }
  return heads;
}

std::vector<Head> Heads() {
  using K = MarginKind;
  std::vector<Head> heads = Margins();
  for (const Head& head : OfFewClasses(heads)) heads.push_back(head);
  // Blocks of several chunks; tiles of rows and columns that are cut.
  heads.push_back({"many classes", MarginOf(K::kCosFace, 64, {0.35}), 3, 5, 17000});
  heads.push_back({"many rows", MarginOf(K::kSoftmax, 1), 150, 5, 300});
  heads.push_back({"one of all", MarginOf(K::kSoftmax, 1), 1, 1, 1});
  heads = WithRows(heads);
  for (const size_t h : {size_t{0}, size_t{3}, size_t{5}, size_t{7}, size_t{8}, size_t{15}}) {
    Head nasty = heads[h];
    nasty.x = Nasty(nasty.n, nasty.d, 5);
    heads.push_back(nasty);
    nasty.x = heads[h].x;
    nasty.weights = Nasty(nasty.classes * nasty.margin.k, nasty.d, 6);
    heads.push_back(nasty);
    nasty.weights = Normals(nasty.weights.size(), 7, 1, 100);
    nasty.x = Normals(nasty.x.size(), 8, 1, 100);
    heads.push_back(nasty);
  }
  return heads;
}

struct Outputs {
  Floats per_example, logits, grad_x, grad_weights, grad_bias;
  std::vector<double> result, statistics;
};

// Rows of some classes, or that count nowhere or, in shards, elsewhere.
std::vector<int32_t> LabelsOf(const Head& head, bool shard) {
  std::vector<int32_t> labels(head.n);
  for (size_t i = 0; i < head.n; i++) {
    labels[i] = i % 5 == 3 ? kIgnored : shard && i % 5 == 1 ? kElsewhere : static_cast<int32_t>(i * 7919 % head.classes);
  }
  return labels;
}

class Case {
 public:
  explicit Case(const Head& head, bool shard = false) : head_(head), labels_(LabelsOf(head, shard)), bias_(Normals(head.classes, 3)), row_weights_(Normals(head.n, 4)) {
    class_weights_ = Normals(head.classes, 5);
    for (float& weight : class_weights_) weight = weight < 0 ? 0 : weight;
  }

  MarginSoftmaxOp OpOf(Outputs& out, size_t workspace_bytes) {
    weights_ = head_.weights;
    out.per_example.assign(head_.n, -7);
    out.logits.assign(head_.n * head_.classes, -7);
    out.grad_x.assign(head_.x.size(), -7);
    out.grad_weights.assign(weights_.size(), -7);
    out.grad_bias.assign(head_.bias ? (head_.margin.kind == MarginKind::kSphereFace2 ? 1 : head_.classes) : 0, -7);
    out.result.assign(4, -7);
    out.statistics.assign(head_.n * kStatistics, -7);
    MarginSoftmaxOp op{};
    op.x = head_.x.data();
    op.weights = weights_.data();
    op.labels = labels_.data();
    op.bias = head_.bias ? bias_.data() : nullptr;
    op.class_weights = head_.weighted ? class_weights_.data() : nullptr;
    op.grad_output = head_.reduction == Reduction::kNone ? row_weights_.data() : nullptr;
    op.per_example = out.per_example.data();
    op.logits = out.logits.data();
    op.grad_x = out.grad_x.data();
    op.grad_weights = out.grad_weights.data();
    op.grad_bias = head_.bias ? out.grad_bias.data() : nullptr;
    op.result = out.result.data();
    op.statistics = out.statistics.data();
    op.n = head_.n;
    op.d = head_.d;
    op.classes = op.all_classes = head_.classes;
    op.margin = head_.margin;
    op.reduction = head_.reduction;
    op.label_smoothing = head_.smoothing;
    op.workspace_bytes = workspace_bytes;
    return op;
  }

 private:
  const Head& head_;
  std::vector<int32_t> labels_;
  Floats bias_, row_weights_, class_weights_, weights_;
};

Status Run(bool device, const MarginSoftmaxOp& op) { return device ? cuda::MarginSoftmax(op, nullptr) : MarginSoftmax(op, nullptr); }

// The same, on the device with weights that stay there.
Status RunKept(bool device, const MarginSoftmaxOp& op) {
  if (!device) return MarginSoftmax(op, nullptr);
  cuda::ResidentRows rows(op.classes * op.margin.k, op.d, false, false);
  Succeed(rows.Keep(op.weights, nullptr));
  MarginSoftmaxOp here = op;
  here.weights = nullptr;
  return rows.MarginSoftmax(here, cuda::Precision::kReproducible);
}

using Runs = Status (*)(bool device, const MarginSoftmaxOp& op);

std::vector<double> Joined(const Outputs& out) {
  std::vector<double> all;
  for (const Floats* part : {&out.per_example, &out.logits, &out.grad_x, &out.grad_weights, &out.grad_bias}) Append(all, *part);
  for (const auto* part : {&out.result, &out.statistics}) Append(all, *part);
  return all;
}

void TestHead(const Head& head) {
  Case of(head);
  for (const size_t workspace : {size_t{0}, size_t{64} << 20}) {
    TestBits("classifier heads", head.name, [&](bool device) {
      Outputs out;
      Succeed(Run(device, of.OpOf(out, workspace)));
      return Joined(out);
    });
  }
  // Nothing but the loss; the gradient of x alone.
  TestBits("classifier heads", head.name, [&](bool device) {
    Outputs out, part;
    MarginSoftmaxOp op = of.OpOf(out, 0);
    op.grad_x = op.grad_weights = op.grad_bias = op.logits = nullptr;
    Succeed(Run(device, op));
    op = of.OpOf(part, 0);
    op.grad_weights = op.grad_bias = op.logits = nullptr;
    Succeed(Run(device, op));
    std::vector<double> all = Joined(out);
    Append(all, Joined(part));
    return all;
  });
}

// Some of a shard's rows have their class elsewhere; between the passes the statistics come from outside.
void TestShard(const Head& head, Runs run) {
  Case of(head, true);
  TestBits("classifier heads", head.name, [&](bool device) {
    Outputs out;
    MarginSoftmaxOp op = of.OpOf(out, 0);
    op.phase = Phase::kForward;
    Succeed(run(device, op));
    std::vector<double> all = Joined(out);
    for (size_t i = 0; i < head.n; i++) {
      double* const row = out.statistics.data() + i * kStatistics;
      row[kSumStatistic] *= 1.5;
      if (row[kTargetStatistic] != row[kTargetStatistic]) row[kTargetStatistic] = row[kMaxStatistic] - 0.25;
    }
    const std::vector<double> statistics = out.statistics;
    op = of.OpOf(out, 0);
    out.statistics = statistics;
    op.statistics = out.statistics.data();
    op.phase = Phase::kBackward;
    Succeed(run(device, op));
    Append(all, Joined(out));
    return all;
  });
}

struct Step {
  Rule rule;
  bool stateful, half, stochastic, sampled;
  bool kept = false;  // on the device, for two steps
};

// Weights and state of twice the head's classes, of which every other one takes part where classes are sampled.
void TestStep(const Head& head, const Step& step) {
  Case of(head);
  const size_t all_rows = head.weights.size() * 2, steps = step.kept ? 2 : 1;
  std::vector<int32_t> rows(head.classes);
  for (size_t c = 0; c < rows.size(); c++) rows[c] = static_cast<int32_t>(c * 2 + 1);
  const Floats weights = Normals(all_rows, 4);
  Floats state = Normals(all_rows, 5);
  for (float& value : state) value = value < 0 ? -value : value;
  std::vector<uint16_t> half_weights(all_rows), half_state(all_rows);
  CurrentKernels().narrow(weights.data(), all_rows, half_weights.data());
  CurrentKernels().narrow(state.data(), all_rows, half_state.data());
  for (const size_t workspace : {size_t{0}, size_t{64} << 20}) {
    TestBits("classifier heads", head.name, [&](bool device) {
      Floats moved = weights, moved_state = state;
      std::vector<uint16_t> half_moved = half_weights, half_moved_state = half_state;
      WeightUpdate update{step.rule,
                          step.stateful && !step.half ? moved_state.data() : nullptr,
                          step.stateful && step.half ? half_moved_state.data() : nullptr,
                          step.stochastic,
                          12345,
                          0.5,
                          0.9,
                          1e-4,
                          1e-10};
      Outputs out;
      MarginSoftmaxOp op = of.OpOf(out, workspace);
      op.weights = step.half ? nullptr : moved.data();
      op.half_weights = step.half ? half_moved.data() : nullptr;
      op.rows = step.sampled ? rows.data() : nullptr;
      op.grad_weights = nullptr;
      op.update = &update;
      std::vector<double> all;
      const auto take = [&](Status status) {
        Succeed(status);
        Append(all, Joined(out));
      };
      if (device && step.kept) {
        const auto either = [&](Floats& floats, std::vector<uint16_t>& halves) { return step.half ? static_cast<void*>(halves.data()) : floats.data(); };
        cuda::ResidentRows rows(all_rows / head.d, head.d, step.half, step.stateful);
        Succeed(rows.Keep(either(moved, half_moved), either(moved_state, half_moved_state)));
        op.weights = nullptr;
        op.half_weights = nullptr;
        update.state = nullptr;
        update.half_state = nullptr;
        for (size_t s = 0; s < steps; s++) take(rows.MarginSoftmax(op, cuda::Precision::kReproducible));
        Succeed(rows.Read(either(moved, half_moved), either(moved_state, half_moved_state)));
      } else {
        for (size_t s = 0; s < steps; s++) take(Run(device, op));
      }
      Append(all, moved);
      Append(all, moved_state);
      Append(all, half_moved);
      Append(all, half_moved_state);
      return all;
    });
  }
}

void TestAbort(const Head& head) {
  Case of(head);
  Outputs out;
  MarginSoftmaxOp op = of.OpOf(out, 0);
  const std::atomic<bool> cancel{true};
  CHECK(cuda::MarginSoftmax(op, &cancel) == Status::kAborted, "an aborted call went on");
  for (const float value : out.grad_weights) CHECK(value == -7, "an aborted call has written");
}

}  // namespace

namespace {

// Of heads in the order of Margins().
void TestShardsAndSteps(const std::vector<Head>& heads) {
  for (size_t h = 0; h < 24; h++) TestShard(heads[h], Run);
  // Of kept weights what the tests in Node have no case for: those go through every margin.
  for (const size_t h : {0, 8}) TestShard(heads[h], RunKept);
  for (const size_t h : {0, 3, 8}) {
    for (const bool half : {false, true}) {
      for (const bool sampled : {false, true}) {
        for (const bool kept : {false, true}) {
          if (kept && h != 8) continue;
          TestStep(heads[h], {Rule::kSgd, true, half, half, sampled, kept});
          TestStep(heads[h], {Rule::kSgd, false, half, false, sampled, kept});
          TestStep(heads[h], {Rule::kAdaGrad, true, half, false, sampled, kept});
        }
      }
    }
  }
}

}  // namespace

void hypersphere::test::TestHeads() {
  const std::vector<Head> heads = Heads();
  for (const Head& head : heads) TestHead(head);
  TestShardsAndSteps(heads);
  TestAbort(heads[0]);
}

void hypersphere::test::TestSmallHeads() {
  const std::vector<Head> heads = WithRows(OfFewClasses(Margins()));
  for (const Head& head : heads) TestHead(head);
  TestShardsAndSteps(heads);
  // Several tiles of rows and of classes.
  Head of_tiles = heads[0];
  of_tiles.n = 150;
  of_tiles.classes = 300;
  for (const Head& head : WithRows({of_tiles})) TestHead(head);
}
