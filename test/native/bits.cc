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
  const size_t shapes[][3] = {{1, 1, 1}, {17, 33, 15}, {64, 70, 128}, {3, 1, 500}, {1, 90, 17}, {31, 29, 801}};
  for (const auto& [n, m, d] : shapes) {
    Hash product, distances, gradients, nearest;
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
    printf("%zux%zux%zu %016llx %016llx %016llx %016llx %016llx\n", n, m, d, product.Value(), distances.Value(), gradients.Value(),
           nearest.Value(), batch);
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
