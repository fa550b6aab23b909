// The fast kernels: every product within its bound of the truth (fast.h), and values for which the bound is nearly reached; distances likewise, and those of near
// rows by their differences; of a search's candidates no neighbour lost, and few of the rest computed; neighbours as the CPU has them.
#include <algorithm>

#include "../../native/cuda/fast.h"
#include "../../native/cuda/ops/product.h"
#include "../../native/kernels/rank.h"
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

constexpr Metric kOfProducts[] = {Metric::kSquaredEuclidean, Metric::kEuclidean, Metric::kDot, Metric::kCosineSimilarity, Metric::kCosineDistance};

struct Product {
  double sum = 0, magnitude = 0, all = 0;
  void Add(double a, double b) {
    sum += a * b;
    magnitude += fabs(a * b);
    all += fabs(a) + fabs(b);
  }
  double Bound(size_t depth) const { return cuda::FastError(depth) * magnitude + 0x1p-126 * (all + static_cast<double>(depth) + 8); }
};

// The greatest error as a share of its bound.
double TestMatmul(const char* name, const std::vector<float>& a, const std::vector<float>& b, size_t rows, size_t inner, size_t cols) {
  double most = 0;
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      std::vector<float> out(rows * cols, NAN), exact(rows * cols, NAN);
      const MatmulOp op{a.data(), b.data(), out.data(), ta, tb, rows, inner, cols};
      Succeed(cuda::fast::Matmul(op, nullptr));
      for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
          Product of;
          for (size_t k = 0; k < inner; k++) of.Add(a[ta ? k * rows + i : i * inner + k], b[tb ? j * inner + k : k * cols + j]);
          const double error = fabs(out[i * cols + j] - of.sum), bound = of.Bound(inner);
          CHECK(error <= bound, "%s [%zu, %zu, %zu], %d %d: %a is %a from the truth, more than %a", name, rows, inner, cols, ta, tb,
                double(out[i * cols + j]), error, bound);
          most = std::max(most, error / bound);
        }
      }
    }
  }
  return most;
}

// Just above the middle of two bfloat16: all of them are rounded up, by all of 2⁻⁸.
std::vector<float> Adverse(size_t count, uint32_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = (1 + 0x1.002p-8f) * (random.Next() % 2 == 0 ? 1.0f : 0x1p-3f);
  return values;
}

void TestProducts() {
  double usual = 0;
  const size_t shapes[][3] = {{1, 1, 1}, {3, 17, 130}, {129, 40, 65}, {128, 64, 128}, {64, 33, 129}, {5, 0, 4}};
  for (const auto& [rows, inner, cols] : shapes) {
    usual = std::max(usual, TestMatmul("normal", Normals(rows * inner, 1), Normals(inner * cols, 2), rows, inner, cols));
    TestMatmul("offset", Normals(rows * inner, 3, 1, 100), Normals(inner * cols, 4, 1, -100), rows, inner, cols);
    TestMatmul("tiny", Normals(rows * inner, 5, 1e-38f), Normals(inner * cols, 6), rows, inner, cols);
  }
  const double adverse = TestMatmul("adverse", Adverse(20 * 48, 7), Adverse(48 * 30, 8), 20, 48, 30);
  CHECK(adverse > 0.95, "the bound could be %g of what it is", adverse);
  // Just below a bfloat16: cut off instead of rounded, each would lose all of 2⁻⁷.
  TestMatmul("below", std::vector<float>(20 * 48, 1 + 0x1.ffcp-8f), std::vector<float>(48 * 30, 1 + 0x1.ffcp-8f), 20, 48, 30);
  // Else these kernels have not run.
  CHECK(usual > 0.02, "normal products are within %g of their bound", usual);
  printf("products reach %.2f of their bound where they are normal, %.3f where all factors are rounded up\n", usual, adverse);
}

// Those of a head, a loss that has lost no more than they, and gradients, which are sums of such products.
void TestLogits(size_t n, size_t classes, size_t d) {
  const std::vector<float> x = Normals(n * d, 9);
  std::vector<float> weights = Normals(classes * d, 10);
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * 7 % classes);
  const auto run = [&](bool fast, std::vector<float>& logits) {
    std::vector<float> losses(n, NAN), grad_x(n * d, NAN), grad_weights(classes * d, NAN);
    std::vector<double> result(4), statistics(n * kStatistics);
    logits.assign(n * classes, NAN);
    MarginSoftmaxOp op{};
    op.x = x.data();
    op.weights = weights.data();
    op.labels = labels.data();
    op.per_example = losses.data();
    op.logits = logits.data();
    op.grad_x = grad_x.data();
    op.grad_weights = grad_weights.data();
    op.result = result.data();
    op.statistics = statistics.data();
    op.n = n;
    op.d = d;
    op.classes = op.all_classes = classes;
    op.margin.kind = MarginKind::kSoftmax;
    op.margin.scale = 1;
    op.margin.k = 1;
    Succeed(fast ? cuda::fast::MarginSoftmax(op, nullptr) : cuda::MarginSoftmax(op, nullptr));
    for (const auto* gradient : {&grad_x, &grad_weights}) {
      for (const float value : *gradient) CHECK(isfinite(value), "a gradient of %a", double(value));
    }
    return losses;
  };
  std::vector<float> logits, reproducible;
  const std::vector<float> losses = run(true, logits), reproducible_losses = run(false, reproducible);
  CHECK(!SameBits(logits, reproducible), "all logits have the reproducible bits");
  for (size_t i = 0; i < n; i++) {
    double most = 0;
    for (size_t c = 0; c < classes; c++) {
      Product of;
      for (size_t k = 0; k < d; k++) of.Add(x[i * d + k], weights[c * d + k]);
      const double error = fabs(logits[i * classes + c] - of.sum);
      CHECK(error <= of.Bound(d), "a logit is %a from the truth, more than %a", error, of.Bound(d));
      most = std::max(most, of.Bound(d));
    }
    const double lost = fabs(double(losses[i]) - reproducible_losses[i]);
    CHECK(lost <= 2 * most + 1e-5, "a loss is %a off, its logits %a", lost, most);
  }
}

struct Operands {
  std::vector<float> x, y;
  size_t n, m, d;
};
// Every fifth row of y is near one of x.
Operands SomeNear(size_t n, size_t m, size_t d, uint32_t seed, float offset = 0) {
  Operands rows{Normals(n * d, seed, 1, offset), Normals(m * d, seed + 1, 1, offset), n, m, d};
  const std::vector<float> noise = Normals(m * d, seed + 2, 1e-3f);
  for (size_t j = 0; j < m; j += 5) {
    for (size_t k = 0; k < d; k++) rows.y[j * d + k] = rows.x[j % n * d + k] + noise[j * d + k];
  }
  return rows;
}

using RunDistances = Status (*)(const DistancesOp&, const std::atomic<bool>*);
std::vector<float> By(RunDistances run, const float* x, const float* y, size_t n, size_t m, size_t d, Metric metric) {
  std::vector<float> out(n * m, NAN);
  const DistancesOp op{x, y, out.data(), n, m, d, metric};
  Succeed(run(op, nullptr));
  return out;
}

// The square behind a Euclidean distance, as a product would have it: ‖x‖² + ‖y‖² − 2·xy and what its error is a share of.
struct Exact {
  double value, scale;
};
Exact ExactOf(const float* x, const float* y, size_t d, Metric metric) {
  double dot = 0, xx = 0, yy = 0, difference = 0;
  for (size_t k = 0; k < d; k++) {
    const double a = x[k], b = y[k];
    dot += a * b;
    xx += a * a;
    yy += b * b;
    difference += (a - b) * (a - b);
  }
  switch (metric) {
    case Metric::kSquaredEuclidean:
    case Metric::kEuclidean: return {difference, xx + yy};
    case Metric::kCosineSimilarity: return {dot / sqrt(xx * yy), 1};
    case Metric::kCosineDistance: return {1 - dot / sqrt(xx * yy), 1};
    default: return {dot, sqrt(xx * yy)};
  }
}

void TestDistances(const char* name, const Operands& rows, Metric metric) {
  const auto& [x, y, n, m, d] = rows;
  const std::vector<float> fast = By(cuda::fast::Distances, x.data(), y.data(), n, m, d, metric);
  const std::vector<float> reproducible = By(cuda::Distances, x.data(), y.data(), n, m, d, metric);
  const bool likeness = metric == Metric::kDot || metric == Metric::kCosineSimilarity;
  const double share = cuda::FastError(d) + (10 * static_cast<double>(d) + 160) * 0x1p-24;
  size_t near = 0, other = 0;
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < m; j++) {
      const float value = fast[i * m + j];
      const Exact exact = ExactOf(x.data() + i * d, y.data() + j * d, d, metric);
      const double found = metric == Metric::kEuclidean ? static_cast<double>(value) * value : value;
      CHECK(fabs(found - exact.value) <= share * exact.scale, "%s, metric %d: %a is %a from the truth", name, static_cast<int>(metric), double(value),
            fabs(found - exact.value));
      // A cosine distance is half the square of unit rows.
      if (!likeness && exact.value < (0.125 - share) * exact.scale) {
        const double least = (16 * static_cast<double>(d) + 64) * 0x1p-24 * exact.value;
        CHECK(fabs(found - exact.value) <= least, "%s, metric %d: near rows %zu and %zu are not computed again", name, static_cast<int>(metric), i, j);
        near++;
      }
      other += !SameNumber(value, reproducible[i * m + j]);
      if (metric == Metric::kCosineSimilarity) CHECK(value >= -1 && value <= 1, "a cosine of %a", double(value));
    }
  }
  CHECK(likeness || near >= m / 5, "%s, metric %d: %zu pairs are near", name, static_cast<int>(metric), near);
  CHECK(other > 0, "%s, metric %d: all distances have the reproducible bits", name, static_cast<int>(metric));
}

// What needs every way round ends where the reproducible kernels end, and what they have no product for is theirs to the bit.
void TestRough(size_t d) {
  const std::vector<float> x = Nasty(17, d, 5), y = Nasty(33, d, 6);
  const std::vector<float> all = Normals(33 * d, 7);
  for (const Metric metric : kOfProducts) {
    const std::vector<float> fast = By(cuda::fast::Distances, x.data(), y.data(), 17, 33, d, metric);
    const std::vector<float> exact = By(cuda::Distances, x.data(), y.data(), 17, 33, d, metric);
    for (size_t i = 0; i < fast.size(); i++) {
      CHECK(isnan(fast[i]) == isnan(exact[i]) && isinf(fast[i]) == isinf(exact[i]), "metric %d, d = %zu: %a for %a", static_cast<int>(metric), d,
            double(fast[i]), double(exact[i]));
    }
    const std::vector<float> own = By(cuda::fast::Distances, all.data(), all.data(), 33, 33, d, metric);
    for (size_t i = 0; i < 33; i++) {
      const float self = own[i * 34];
      if (metric == Metric::kSquaredEuclidean || metric == Metric::kEuclidean || metric == Metric::kCosineDistance) CHECK(self == 0, "%a", double(self));
    }
  }
  for (const Metric metric : {Metric::kManhattan, Metric::kSnr}) {
    CHECK(SameBits(By(cuda::fast::Distances, x.data(), y.data(), 17, 33, d, metric), By(cuda::Distances, x.data(), y.data(), 17, 33, d, metric)),
          "metric %d", static_cast<int>(metric));
  }
}

// Candidates before bounds of the k-th distance; without bounds all are.
void TestCandidates(const Operands& rows, Metric metric, size_t k, size_t most) {
  const auto& [x, y, n, m, d] = rows;
  const std::vector<float> exact = By(cuda::Distances, x.data(), y.data(), n, m, d, metric);
  const bool grows = GrowsWithLikeness(metric);
  std::vector<uint64_t> bounds(n, kNoRank);
  for (size_t i = 0; i < n && k > 0; i++) {
    std::vector<uint64_t> ranks(m);
    for (size_t j = 0; j < m; j++) ranks[j] = RankOf(exact[i * m + j], grows, j);
    std::nth_element(ranks.begin(), ranks.begin() + static_cast<ptrdiff_t>(k) - 1, ranks.end());
    bounds[i] = ranks[k - 1];
  }
  cuda::Call call(nullptr, cuda::Precision::kFast);
  const auto side = [&, d = d](const std::vector<float>& of, size_t count) {
    const cuda::Side made = cuda::AllocateSide(call, call.Upload(of.data(), count * d), count, d, metric);
    cuda::LaunchNorms(call, made, metric);
    return made;
  };
  const cuda::Side left = side(x, n), right = side(y, m);
  const size_t tiles = cuda::TilesOf(n, m);
  float* const out = call.Allocate<float>(n * m);
  uint32_t* const counts = call.Allocate<uint32_t>(tiles);
  cuda::LaunchCandidates(call, left, right, metric, call.Upload(bounds.data(), n), out, cuda::AllocateMarks(call, n, m, metric), counts);
  std::vector<float> found(n * m);
  std::vector<uint32_t> of_tiles(tiles);
  call.Download(found.data(), out, n * m);
  call.Download(of_tiles.data(), counts, tiles);
  Succeed(call.Finish());
  size_t candidates = 0;
  for (const uint32_t count : of_tiles) candidates += count;
  for (size_t i = 0; i < n * m; i++) {
    if (RankOf(exact[i], grows, i % m) <= bounds[i / m]) {
      CHECK(SameNumber(found[i], exact[i]), "metric %d: a neighbour at %a is %a", static_cast<int>(metric), double(exact[i]), double(found[i]));
    } else {
      CHECK(isnan(found[i]) || SameNumber(found[i], exact[i]), "metric %d: %a for %a", static_cast<int>(metric), double(found[i]), double(exact[i]));
    }
  }
  CHECK(candidates >= (k == 0 ? n * m : n * k) && candidates <= most, "metric %d: %zu candidates of %zu, %zu at most", static_cast<int>(metric), candidates,
        n * m, most);
}

// Over several blocks of the gallery, of which all but the first are sifted.
void TestNearest(Metric metric, bool halves, Filter filter = Filter::kNone) {
  constexpr size_t n = 40, m = 8192 + 300, d = 6;
  Operands rows = SomeNear(n, m, d, 11);
  for (size_t k = 0; k < d; k++) {
    rows.y[8200 * d + k] = rows.x[k];
    rows.y[8300 * d + k] = 0;
    rows.y[8301 * d + k] = NAN;
    rows.y[8302 * d + k] = INFINITY;
  }
  std::vector<uint16_t> narrow(m * d);
  CurrentKernels().narrow(rows.y.data(), m * d, narrow.data());
  NearestOp op{};
  op.x = rows.x.data();
  op.gallery = halves ? nullptr : rows.y.data();
  op.half_gallery = halves ? narrow.data() : nullptr;
  op.n = n;
  op.m = m;
  op.d = d;
  op.k = 7;
  op.metric = metric;
  // Classes in turn; one is only past the first block, one has fewer rows than neighbours are wanted until then, one is nowhere.
  std::vector<int32_t> labels(n), gallery_labels(m);
  for (size_t j = 0; j < m; j++) gallery_labels[j] = j % 2000 == 5 ? 50 : j >= 8192 && j % 4 == 0 ? 60 : static_cast<int32_t>(j % 3);
  for (size_t i = 0; i < n; i++) labels[i] = i % 8 == 5 ? 50 : i % 8 == 6 ? 60 : i % 8 == 7 ? 70 : static_cast<int32_t>(i % 3);
  op.filter = filter;
  op.labels = filter == Filter::kNone ? nullptr : labels.data();
  op.gallery_labels = filter == Filter::kNone ? nullptr : gallery_labels.data();
  const auto search = [&](const auto& run) {
    std::vector<double> found;
    std::vector<int32_t> indices(n * op.k, 77);
    std::vector<float> distances(n * op.k, 77);
    NearestOp here = op;
    here.indices = indices.data();
    here.distances = distances.data();
    Succeed(run(here));
    Append(found, indices);
    Append(found, distances);
    return found;
  };
  const char* const words[] = {halves ? "halves" : "floats", "of the own class", "of another class"};
  TestBits("fast nearest", words[static_cast<int>(filter)], [&](bool device) { return search([&](const NearestOp& of) { return device ? cuda::fast::Nearest(of, nullptr) : Nearest(of, nullptr); }); });
}

}  // namespace

void hypersphere::test::TestFast() {
  const cuda::Context& device = *cuda::Context::Get();
  if (!device.HasFast()) {
    printf("%s has no tensor cores for bfloat16: the fast kernels have not run\n", device.Name().c_str());
    return;
  }
  TestProducts();
  TestLogits(20, 130, 17);
  TestLogits(130, 9, 40);
  for (const Metric metric : kOfProducts) {
    TestDistances("some near", SomeNear(70, 131, 40, 1), metric);
    TestDistances("short", SomeNear(9, 20, 3, 2), metric);
    // A fortieth of all.
    TestCandidates(SomeNear(70, 700, 48, 3), metric, 5, 70 * 700 / 40);
    TestCandidates(SomeNear(20, 130, 20, 4), metric, 0, 20 * 130);
    // Norms that are lost bound nothing.
    Operands short_rows = SomeNear(70, 140, 20, 5);
    for (float& value : short_rows.x) value *= 1e-24f;
    TestCandidates(short_rows, metric, 5, 70 * 140);
  }
  TestNearest(Metric::kEuclidean, true);
  TestNearest(Metric::kCosineSimilarity, false);
  TestNearest(Metric::kSquaredEuclidean, false, Filter::kSame);
  TestNearest(Metric::kCosineDistance, false, Filter::kDifferent);
  for (const size_t d : {1, 15, 40}) TestRough(d);
  printf("right fast products and distances: within their bounds\n");
}
