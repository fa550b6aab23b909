// Center loss, the centers' update and normalisation against float64 oracles and the reference vectors at every level, and
// their bits at every level with FMA and any number of threads.
#include <math.h>

#include <algorithm>
#include <functional>
#include <initializer_list>

#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "vectors.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;
using Labels = std::vector<int32_t>;

struct Expected {
  double value, tolerance;
};

// compute() at every level and thread count: within tolerance everywhere, and the same bits where the rule promises them.
void AtEveryLevel(const std::vector<Expected>& expected, const std::function<Floats()>& compute, const char* what) {
  Floats first;
  for (const Level level : Levels()) {
    SetLevel(level);
    SetThreads(1);
    const Floats out = compute();
    CHECK(out.size() == expected.size(), "%s", what);
    for (size_t i = 0; i < out.size(); i++) {
      const auto [value, tolerance] = expected[i];
      const bool same = double(out[i]) == value || double(out[i]) == double(float(value)) || (isnan(out[i]) && isnan(value));
      CHECK(same || fabs(double(out[i]) - value) <= tolerance, "%s %s at %zu: %g, not %g ± %g", LevelName(level), what, i, double(out[i]), value, tolerance);
    }
    for (const int threads : {2, 3, 8}) {
      SetThreads(threads);
      CHECK(SameBits(out, compute()), "%s %s with %d threads", LevelName(level), what, threads);
    }
    if (level == Level::kBaseline) continue;
    if (first.empty()) first = out;
    CHECK(SameBits(first, out), "%s %s", LevelName(level), what);
  }
}

// Any order of float32 sums of `terms` terms, and a result that may fall among the denormals.
double Bound(double terms, double magnitudes) { return (terms + 8) * 0x1p-24 * magnitudes + 0x1p-126; }

void Append(Floats& to, const Floats& from) { to.insert(to.end(), from.begin(), from.end()); }

struct Batch {
  Floats x, centers;
  Labels labels;
  size_t d;
  size_t Rows() const { return labels.size(); }
  size_t Classes() const { return centers.size() / d; }
};

void TestLoss(const Batch& batch, double scale, const char* what) {
  const size_t n = batch.Rows(), d = batch.d;
  std::vector<Expected> rows, gradients, to_centers(batch.centers.size(), {0, 0});
  std::vector<double> sizes(batch.centers.size());
  double total = 0;
  for (size_t i = 0; i < n; i++) {
    double square = 0;
    for (size_t k = 0; k < d; k++) {
      const size_t at = size_t(batch.labels[i]) * d + k;
      const double diff = double(batch.x[i * d + k]) - double(batch.centers[at]);
      square += diff * diff;
      gradients.push_back({2 * scale * diff, Bound(2, fabs(2 * scale * diff))});
      to_centers[at].value -= 2 * scale * diff;
      sizes[at] += fabs(2 * scale * diff);
    }
    rows.push_back({square, Bound(double(d), square)});
    total += square;
  }
  for (size_t i = 0; i < sizes.size(); i++) to_centers[i].tolerance = Bound(double(n), sizes[i]);
  std::vector<Expected> expected = rows;
  expected.insert(expected.end(), gradients.begin(), gradients.end());
  expected.insert(expected.end(), to_centers.begin(), to_centers.end());
  const auto compute = [&] {
    Floats squares(n, -7), grad(n * d, -7), grad_centers(batch.centers.size(), -7);
    double loss = -7, alone = -7;
    CenterLossOp op{batch.x.data(), batch.labels.data(), batch.centers.data(), squares.data(), grad.data(), grad_centers.data(), &loss, n, d,
                    batch.Classes(), scale};
    CHECK(CenterLoss(op, nullptr) == Status::kOk, "status");
    CHECK(fabs(loss - scale * total) <= Bound(double(d), fabs(scale * total)) || (isnan(loss) && isnan(total)) || loss == scale * total, "%s: %g, not %g",
          what, loss, scale * total);
    const Floats together = squares;
    op.grad_x = op.grad_centers = nullptr;
    op.loss = &alone;
    CHECK(CenterLoss(op, nullptr) == Status::kOk && SameBits(together, squares) && memcmp(&loss, &alone, sizeof(loss)) == 0, "without gradients");
    Append(squares, grad);
    Append(squares, grad_centers);
    return squares;
  };
  AtEveryLevel(expected, compute, what);
}

void TestUpdate(const Batch& batch, double alpha, const char* what) {
  const size_t n = batch.Rows(), d = batch.d;
  std::vector<Expected> expected;
  for (size_t at = 0; at < batch.centers.size(); at++) {
    const double center = double(batch.centers[at]);
    double count = 0, sum = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
      if (size_t(batch.labels[i]) != at / d) continue;
      const double diff = center - double(batch.x[i * d + at % d]);
      count++;
      sum += diff;
      size += fabs(diff);
    }
    const double factor = alpha / (1 + count);
    expected.push_back({center - factor * sum, count == 0 ? 0 : Bound(count, factor * size) + 0x1p-23 * fabs(center)});
  }
  const auto compute = [&] {
    Floats centers = batch.centers;
    CHECK(UpdateCenters({batch.x.data(), batch.labels.data(), centers.data(), n, d, batch.Classes(), alpha}, nullptr) == Status::kOk, "status");
    return centers;
  };
  AtEveryLevel(expected, compute, what);
}

Labels LabelsOf(size_t n, size_t classes, uint32_t seed) {
  Random random(seed);
  Labels labels(n);
  for (int32_t& label : labels) label = int32_t(random.Next() % classes);
  return labels;
}

void Shapes() {
  for (const size_t n : {1, 15, 16, 17, 255, 256, 257}) {
    for (const size_t d : {1, 3, 16, 17, 127, 128, 512}) {
      for (const size_t classes : {size_t{1}, size_t{2}, size_t{40}, n}) {
        Batch batch{Normals(n * d, 1), Normals(classes * d, 2), LabelsOf(n, classes, 3), d};
        if (classes == n) {  // all distinct, in falling order
          for (size_t i = 0; i < n; i++) batch.labels[i] = int32_t(n - 1 - i);
        }
        char what[64];
        snprintf(what, sizeof(what), "%zux%zu, %zu classes", n, d, classes);
        TestLoss(batch, 0.5 / double(n), what);
        TestUpdate(batch, 0.5, what);
      }
    }
  }
  // More than one digit of the sort, and classes far apart.
  Batch sparse{Normals(64 * 3, 1), Normals(70000 * 3, 2), LabelsOf(64, 70000, 3), 3};
  sparse.labels[5] = 69999;
  sparse.labels[6] = sparse.labels[60] = 256;
  TestUpdate(sparse, 1, "70000 classes");
}

void Edges() {
  Batch batch{{1e19f, 1e-40f, 1e-30f, 3e-41f, 1, 2}, {-1e19f, 2e-40f, 1, 2}, {0, 0, 1}, 2};
  TestLoss(batch, 0.5, "huge, tiny and equal rows");
  TestUpdate(batch, 0.5, "huge, tiny and equal rows");
  batch.x[2] = NAN;
  TestUpdate(batch, 0.5, "NaN");
  const Batch none{{}, Normals(6, 1), {}, 2};
  TestLoss(none, 0.5, "no rows");
  TestUpdate(none, 0.5, "no rows");
  // Cancelled before the first write, the centers are as they were.
  std::atomic<bool> cancel{true};
  Floats centers = batch.centers;
  CHECK(UpdateCenters({batch.x.data(), batch.labels.data(), centers.data(), 3, 2, 2, 0.5}, &cancel) == Status::kAborted, "cancelled");
  CHECK(SameBits(centers, batch.centers), "untouched");
}

void TestNormalize(const Floats& x, size_t d, double eps, const char* what) {
  const size_t n = x.size() / d;
  const Floats g = Normals(n * d, 4);
  std::vector<Expected> expected, gradients;
  for (size_t i = 0; i < n; i++) {
    double square = 0, dot = 0, size = 0;
    for (size_t k = i * d; k < (i + 1) * d; k++) {
      square += double(x[k]) * double(x[k]);
      dot += double(x[k]) * double(g[k]);
      size += fabs(double(x[k]) * double(g[k]));
    }
    const double norm = sqrt(square), length = norm < eps ? eps : norm;
    for (size_t k = i * d; k < (i + 1) * d; k++) {
      const double unit = double(x[k]) / length;
      expected.push_back({unit, Bound(double(d), fabs(unit))});
      const double radial = norm > eps ? dot / norm * (double(x[k]) / norm) : 0;
      const double magnitude = (fabs(double(g[k])) + (norm > eps ? size / norm * fabs(double(x[k])) / norm : 0)) / length;
      gradients.push_back({norm > 0 ? (double(g[k]) - radial) / length : 0, Bound(2 * double(d), magnitude)});
    }
  }
  expected.insert(expected.end(), gradients.begin(), gradients.end());
  const auto compute = [&] {
    Floats out(n * d, -7), grad(n * d, -7);
    CHECK(Normalize({x.data(), out.data(), n, d, eps}, nullptr) == Status::kOk, "status");
    CHECK(NormalizeGradient({x.data(), g.data(), grad.data(), n, d, eps}, nullptr) == Status::kOk, "status");
    Append(out, grad);
    return out;
  };
  AtEveryLevel(expected, compute, what);
}

void Normalisation() {
  for (const size_t n : {1, 15, 16, 17, 257}) {
    for (const size_t d : {1, 3, 16, 17, 127, 128, 512}) TestNormalize(Normals(n * d, 1), d, 1e-12, "normalize");
  }
  TestNormalize(Normals(700 * 512, 1), 512, 1e-12, "normalize, shared out");
  for (const float scale : {1e-40f, 1e-30f, 1e-20f, 1e-13f, 1e-6f, 1e10f, 1e19f, 1e30f, 3e37f}) {
    Floats x = Normals(20 * 33, 5, scale);
    std::fill(x.begin() + 33, x.begin() + 66, 0.0f);
    TestNormalize(x, 33, 1e-12, "normalize, scaled");
    TestNormalize(x, 33, 1e-25, "normalize, scaled, small eps");
    TestNormalize(x, 33, 3, "normalize, scaled, large eps");
  }
}

void Near(const Floats& got, const VectorCase& item, const char* name, size_t first = 0) {
  const Array expected = item.Get(name);
  const double tolerance = item.Tolerance(name, expected);
  for (size_t i = 0; i < got.size(); i++) {
    const double want = expected.data[first + i];
    // What the references leave undefined need only be finite.
    CHECK(isnan(want) ? isfinite(got[i]) : fabs(double(got[i]) - want) <= tolerance, "%s %s %s at %zu: %g, not %g", LevelName(CurrentLevel()), item.Name().c_str(), name, i, double(got[i]), want);
  }
}

void ReferenceVectors() {
  for (const VectorCase& item : VectorCases("center_update.")) {
    const Array x = item.Get("x"), labels = item.Get("labels");
    const size_t steps = x.shape[0], n = x.shape[1], d = x.shape[2];
    const Floats rows = x.Floats();
    const Labels all(labels.data.begin(), labels.data.end());
    for (const Level level : Levels()) {
      SetLevel(level);
      Floats centers = item.Get("centers").Floats();
      for (size_t t = 0; t < steps; t++) {
        UpdateCenters({&rows[t * n * d], &all[t * n], centers.data(), n, d, centers.size() / d, item.Parameter("alpha")}, nullptr);
        Near(centers, item, "centers_after", t * centers.size());
      }
    }
  }
  for (const VectorCase& item : VectorCases("l2_normalize.")) {
    const Array x = item.Get("x");
    const Floats rows = x.Floats(), g = item.Get("grad_out").Floats();
    for (const Level level : Levels()) {
      SetLevel(level);
      Floats out(rows.size()), grad(rows.size());
      Normalize({rows.data(), out.data(), x.shape[0], x.shape[1], 1e-12}, nullptr);
      NormalizeGradient({rows.data(), g.data(), grad.data(), x.shape[0], x.shape[1], 1e-12}, nullptr);
      Near(out, item, "out");
      Near(grad, item, "dx");
    }
  }
}

}  // namespace

int main() {
  Shapes();
  Edges();
  Normalisation();
  ReferenceVectors();
  return 0;
}
