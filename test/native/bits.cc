// One hash of every operation's results over fixed shapes, for each level of this machine. Equal lines mean equal bits; run
// on two architectures and compared, they hold the rule of reproducible bits across them.
#include <math.h>

#include <initializer_list>

#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "oracle.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

class Hash {
 public:
  void Add(const std::vector<int32_t>& values) {
    for (const int32_t value : values) state_ = (state_ ^ static_cast<uint32_t>(value)) * 1099511628211ull;
  }
  void Add(const std::vector<float>& values) {
    for (const float value : values) {
      uint32_t bits = 0x7fc00000u;
      if (value == value) memcpy(&bits, &value, sizeof(bits));
      state_ = (state_ ^ bits) * 1099511628211ull;
    }
  }
  unsigned long long Value() const { return state_; }

 private:
  unsigned long long state_ = 14695981039346656037ull;
};

// A head of every kind of column rule and its gradients, then a step of bfloat16 weights that are rounded at random.
void AddHeads(size_t n, size_t d, size_t classes, Hash& hash) {
  struct Kind {
    MarginKind kind;
    size_t k;
    double scale, numbers[kMarginNumbers];
    int choice;
  };
  const Kind kinds[] = {
      {MarginKind::kSoftmax, 1, 1, {}, 0},
      {MarginKind::kLSoftmax, 1, 1, {4, 1}, 0},
      {MarginKind::kArcFace, 1, 64, {0.5}, 1},
      {MarginKind::kSphereFaceR, 1, 30, {1.5, 1}, 2},
      {MarginKind::kSphereFace2, 1, 1, {0.7, 40, 0.4, 3, 50}, 0},
      {MarginKind::kAdaFace, 1, 64, {0.4, 0.333, 0.5, 20, 100}, 0},
      {MarginKind::kMagFace, 1, 64, {1, 110, 0.45, 0.8, 20}, 1},
      {MarginKind::kCurricularFace, 1, 64, {0.5, 0.1, 0.5}, 0},
      {MarginKind::kCosFace, 3, 64, {0.35}, 0},
      {MarginKind::kSoftTriple, 3, 20, {0.1, 0.01}, 0},
  };
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = i % 7 == 3 ? kIgnored : static_cast<int32_t>(i * 7919 % classes);
  for (const Kind& kind : kinds) {
    const std::vector<float> x = Normals(n * d, 1);
    std::vector<float> weights = Normals(classes * kind.k * d, 2), to_weights(weights.size()), losses(n), logits(n * classes), to_x(n * d);
    double result[4] = {};
    MarginSoftmaxOp op{};
    op.x = x.data();
    op.weights = weights.data();
    op.labels = labels.data();
    op.per_example = losses.data();
    op.logits = logits.data();
    op.grad_x = to_x.data();
    op.grad_weights = to_weights.data();
    op.result = result;
    op.n = n;
    op.d = d;
    op.classes = op.all_classes = classes;
    op.margin.kind = kind.kind;
    op.margin.k = kind.k;
    op.margin.scale = kind.scale;
    op.margin.choice = kind.choice;
    memcpy(op.margin.numbers, kind.numbers, sizeof(kind.numbers));
    op.reduction = Reduction::kMean;
    op.label_smoothing = kind.kind == MarginKind::kSphereFace2 ? 0 : 0.1;
    MarginSoftmax(op, nullptr);
    for (const std::vector<float>* values : {&losses, &logits, &to_x, &to_weights}) hash.Add(*values);
    hash.Add(std::vector<float>{static_cast<float>(result[0]), static_cast<float>(result[2]), static_cast<float>(result[3])});

    std::vector<uint16_t> halves(weights.size()), state(weights.size());
    CurrentKernels().narrow(weights.data(), weights.size(), halves.data());
    const WeightUpdate update{Rule::kAdaGrad, nullptr, state.data(), true, 7, 0.5, 0, 0.01, 1e-3};
    op.weights = nullptr;
    op.half_weights = halves.data();
    op.grad_weights = nullptr;
    op.update = &update;
    MarginSoftmax(op, nullptr);
    hash.Add(std::vector<int32_t>(halves.begin(), halves.end()));
    hash.Add(std::vector<int32_t>(state.begin(), state.end()));

    std::vector<float> gradients(n * classes);
    double loss = 0;
    CrossEntropy({logits.data(), labels.data(), nullptr, nullptr, losses.data(), gradients.data(), &loss, n, classes, Reduction::kMean, 0.1}, nullptr);
    hash.Add(losses);
    hash.Add(gradients);
    Softmax({logits.data(), nullptr, gradients.data(), n, classes, 2}, nullptr);
    hash.Add(gradients);
  }
}

void Print() {
  // Rows of x against centers y, several rows a class.
  const auto centers = [](const std::vector<float>& x, std::vector<float> y, size_t d) {
    const size_t n = x.size() / d, classes = y.size() / d;
    std::vector<int32_t> labels(n);
    for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * i % (classes / 2 + 1));
    std::vector<float> squares(n), to_x(n * d), to_y(y.size()), through(n * d);
    double loss = 0;
    CenterLoss({x.data(), labels.data(), y.data(), squares.data(), to_x.data(), to_y.data(), &loss, n, d, classes, 0.5}, nullptr);
    squares.push_back(static_cast<float>(loss));
    UpdateCenters({x.data(), labels.data(), y.data(), n, d, classes, 0.5}, nullptr);
    Hash hash;
    for (const std::vector<float>* values : {&squares, &to_x, &to_y, &y}) hash.Add(*values);
    Normalize({x.data(), to_x.data(), n, d, 1e-12}, nullptr);
    hash.Add(to_x);
    NormalizeGradient({x.data(), to_x.data(), through.data(), n, d, 1e-12}, nullptr);
    hash.Add(through);
    return hash.Value();
  };
  const size_t shapes[][3] = {{1, 1, 1}, {17, 33, 15}, {64, 70, 128}, {3, 1, 500}, {1, 90, 17}, {31, 29, 801}, {530, 300, 5}};
  for (const auto& [n, m, d] : shapes) {
    Hash product, distances, gradients, nearest, heads;
    AddHeads(n, d, m, heads);
    unsigned long long batch = 0;
    for (const float offset : {0.0f, 20.0f}) {
      const std::vector<float> x = Normals(n * d, 1, 1, offset), y = Normals(m * d, 2, 1, offset), g = Normals(n * m, 3);
      std::vector<float> out(n * m), to_x(n * d), to_y(m * d);
      batch = batch * 31 + centers(x, y, d);
      Matmul({x.data(), y.data(), out.data(), false, true, n, d, m}, nullptr);
      product.Add(out);
      for (const Metric metric : kMetrics) {
        Distances({x.data(), y.data(), out.data(), n, m, d, metric}, nullptr);
        distances.Add(out);
        DistancesGradient({x.data(), y.data(), g.data(), to_x.data(), to_y.data(), n, m, d, metric}, nullptr);
        gradients.Add(to_x);
        gradients.Add(to_y);
        const size_t k = m < 5 ? m : 5;
        std::vector<int32_t> indices(n * k);
        std::vector<float> found(n * k);
        NearestOp op{};
        op.x = x.data();
        op.gallery = y.data();
        op.indices = indices.data();
        op.distances = found.data();
        op.n = n;
        op.m = m;
        op.d = d;
        op.k = k;
        op.metric = metric;
        Nearest(op, nullptr);
        nearest.Add(indices);
        nearest.Add(found);
      }
    }
    printf("%zux%zux%zu %016llx %016llx %016llx %016llx %016llx %016llx\n", n, m, d, product.Value(), distances.Value(), gradients.Value(),
           nearest.Value(), batch, heads.Value());
  }
  // Of rows with themselves, large enough to be mirrored.
  Hash self;
  const size_t rows = 530, depth = 70;
  for (const float offset : {0.0f, 100.0f}) {
    const std::vector<float> x = Normals(rows * depth, 4, 1, offset);
    std::vector<float> out(rows * rows);
    for (const Metric metric : kMetrics) {
      Distances({x.data(), x.data(), out.data(), rows, rows, depth, metric}, nullptr);
      self.Add(out);
    }
  }
  printf("%zux%zux%zu itself %016llx\n", rows, rows, depth, self.Value());
}

}  // namespace

int main(int count, char** arguments) {
  for (const Level level : Levels()) {
    if (count > 1 && strcmp(arguments[1], LevelName(level)) != 0) continue;
    SetLevel(level);
    printf("%s\n", LevelName(level));
    Print();
  }
  return 0;
}
