// Nearest neighbours: exactly what sorting the matrix of `Distances` gives, to the bit, at every level and thread count, from
// rows, bfloat16 rows and packed galleries; and near enough to a float64 oracle.
#include "../../native/ops/gallery.h"
#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "oracle.h"
#include "vectors.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;
using Labels = std::vector<int32_t>;

struct Found {
  Labels indices;
  Floats distances;
};

struct Case {
  Metric metric;
  size_t d, k;
  Filter filter = Filter::kNone;
  bool exclude_self = false;
  const Floats* beyond = nullptr;
  const Floats* within = nullptr;
};

bool Grows(Metric metric) { return metric == Metric::kDot || metric == Metric::kCosineSimilarity; }

Labels CyclicLabels(size_t n, int classes) {
  Labels labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * 7 / 3 % static_cast<size_t>(classes)) - 1;
  return labels;
}

NearestOp OpOf(const Case& of, const Floats& x, const Labels& labels, const Labels& gallery_labels, size_t m, Found& found) {
  const size_t n = x.size() / of.d;
  found.indices.assign(n * of.k, -7);
  found.distances.assign(n * of.k, -7);
  NearestOp op{};
  op.x = x.data();
  op.labels = labels.data();
  op.gallery_labels = gallery_labels.data();
  op.indices = found.indices.data();
  op.distances = found.distances.data();
  op.n = n;
  op.m = m;
  op.d = of.d;
  op.k = of.k;
  op.metric = of.metric;
  op.filter = of.filter;
  op.exclude_self = of.exclude_self;
  op.beyond = of.beyond != nullptr ? of.beyond->data() : nullptr;
  op.within = of.within != nullptr ? of.within->data() : nullptr;
  return op;
}

// Whether a ranks before b: NaN comes last.
bool Before(const Case& of, float a, float b) {
  if (a != a || b != b) return a == a;
  return Grows(of.metric) ? a > b : a < b;
}

// Sorts what Distances computes: the definition.
Found Sorted(const Case& of, const Floats& x, const Floats& y, const Labels& labels, const Labels& gallery_labels) {
  const size_t n = x.size() / of.d, m = y.size() / of.d;
  Floats all(n * m);
  CHECK(Distances({x.data(), y.data(), all.data(), n, m, of.d, of.metric}, nullptr) == Status::kOk, "status");
  Found found;
  for (size_t i = 0; i < n; i++) {
    std::vector<size_t> order;
    for (size_t j = 0; j < m; j++) {
      if (of.exclude_self && i == j) continue;
      if (of.filter != Filter::kNone && (labels[i] == gallery_labels[j]) != (of.filter == Filter::kSame)) continue;
      if (of.beyond != nullptr && !Before(of, (*of.beyond)[i], all[i * m + j])) continue;
      if (of.within != nullptr && !Before(of, all[i * m + j], (*of.within)[i])) continue;
      order.push_back(j);
    }
    const auto key = [&](size_t j) { return Grows(of.metric) ? -all[i * m + j] : all[i * m + j]; };
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const bool nan_a = key(a) != key(a), nan_b = key(b) != key(b);
      return nan_a || nan_b ? nan_b && !nan_a : key(a) < key(b);
    });
    for (size_t r = 0; r < of.k; r++) {
      found.indices.push_back(r < order.size() ? static_cast<int32_t>(order[r]) : -1);
      found.distances.push_back(r < order.size() ? all[i * m + order[r]] : NAN);
    }
  }
  return found;
}

uint16_t Half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16);
}

void ExpectSame(const Found& found, const Found& expected, const Case& of, size_t n, size_t m, const char* what) {
  for (size_t i = 0; i < found.indices.size(); i++) {
    CHECK(found.indices[i] == expected.indices[i], "%s at %s, metric %s, %zux%zux%zu k %zu, at %zu: %d, not %d (%g, %g)", what, LevelName(CurrentLevel()),
          NameOf(of.metric), n, m, of.d, of.k, i, found.indices[i], expected.indices[i], found.distances[i], expected.distances[i]);
  }
  CHECK(SameBits(found.distances, expected.distances), "%s at %s, %s: bits", what, LevelName(CurrentLevel()), NameOf(of.metric));
}

void AgainstDistances(const Case& of, const Floats& x, const Floats& y, bool every_form = true) {
  const size_t n = x.size() / of.d, m = y.size() / of.d;
  const Labels labels = CyclicLabels(n, 5), gallery_labels = of.exclude_self ? labels : CyclicLabels(m, 6);
  std::vector<uint16_t> halves(y.size());
  Floats widened(y.size());
  for (size_t i = 0; i < y.size(); i++) {
    halves[i] = Half(y[i]);
    const uint32_t bits = static_cast<uint32_t>(halves[i]) << 16;
    memcpy(&widened[i], &bits, sizeof(bits));
  }
  Found first;
  for (const Level level : Levels()) {
    SetLevel(level);
    const Found expected = Sorted(of, x, y, labels, gallery_labels);
    // Under the sanitizers a call is slow: shapes that are not run in every form are not run on every number of threads either.
    for (const int threads : every_form ? std::vector<int>{1, 2, 3, 8} : std::vector<int>{1, 3}) {
      SetThreads(threads);
      Found found;
      NearestOp op = OpOf(of, x, labels, gallery_labels, m, found);
      op.gallery = y.data();
      CHECK(Nearest(op, nullptr) == Status::kOk, "status");
      ExpectSame(found, expected, of, n, m, "rows");
      if (!every_form || threads == 3) continue;
      PackedGallery packed(m, of.d, of.metric);
      CHECK(packed.Pack(y.data(), nullptr, nullptr) == Status::kOk, "packing");
      op.gallery = nullptr;
      op.packed = &packed;
      CHECK(Nearest(op, nullptr) == Status::kOk, "status");
      ExpectSame(found, expected, of, n, m, "packed");
    }
    if (level != Level::kBaseline) {
      if (first.indices.empty()) first = expected;
      ExpectSame(expected, first, of, n, m, "levels");
    }
    if (!every_form) continue;
    const Found from_widened = Sorted(of, x, widened, labels, gallery_labels);
    Found found;
    NearestOp op = OpOf(of, x, labels, gallery_labels, m, found);
    op.half_gallery = halves.data();
    CHECK(Nearest(op, nullptr) == Status::kOk, "status");
    ExpectSame(found, from_widened, of, n, m, "bfloat16");
    PackedGallery packed(m, of.d, of.metric);
    CHECK(packed.Pack(nullptr, halves.data(), nullptr) == Status::kOk, "packing");
    op.half_gallery = nullptr;
    op.packed = &packed;
    CHECK(Nearest(op, nullptr) == Status::kOk, "status");
    ExpectSame(found, from_widened, of, n, m, "packed bfloat16");
  }
  SetLevel(DetectedLevel());
}

// The r-th best distance, and the distance of the row that was found, both by the oracle.
void AgainstOracle(Metric metric, size_t n, size_t m, size_t d, size_t k) {
  const Floats x = Normals(n * d, 21), y = Normals(m * d, 22);
  for (const Level level : Levels()) {
    SetLevel(level);
    Found found;
    NearestOp op = OpOf({metric, d, k}, x, {}, {}, m, found);
    op.gallery = y.data();
    CHECK(Nearest(op, nullptr) == Status::kOk, "status");
    for (size_t i = 0; i < n; i++) {
      std::vector<double> exact(m);
      double most = 0;
      for (size_t j = 0; j < m; j++) {
        exact[j] = OracleDistance(metric, &x[i * d], &y[j * d], d);
        most = std::max(most, fabs(exact[j]));
      }
      std::vector<double> order = exact;
      std::sort(order.begin(), order.end(), [&](double a, double b) { return Grows(metric) ? a > b : a < b; });
      for (size_t r = 0; r < k; r++) {
        const double slack = 1e-6 + 2e-5 * most, value = exact[static_cast<size_t>(found.indices[i * k + r])];
        CHECK(fabs(order[r] - found.distances[i * k + r]) <= slack && fabs(order[r] - value) <= slack, "%s %s rank %zu: %g, %g, not %g",
              LevelName(level), NameOf(metric), r, found.distances[i * k + r], value, order[r]);
      }
    }
  }
  SetLevel(DetectedLevel());
}

// Copies, near copies, ties, special values; few distinct numbers, so that almost everything ties.
Floats Nasty(size_t rows, size_t d, uint32_t seed) {
  Floats x = Normals(rows * d, seed);
  Random random(seed + 1);
  for (size_t i = 0; i < rows; i++) {
    float* row = &x[i * d];
    const float* other = &x[random.Next() % rows * d];
    switch (random.Next() % 12) {
      case 0: std::copy(other, other + d, row); break;
      case 1: for (size_t k = 0; k < d; k++) row[k] = other[k] * (1 + 1e-6f * static_cast<float>(k % 3)); break;
      case 2: for (size_t k = 0; k < d; k++) row[k] = static_cast<float>(random.Next() % 2); break;
      case 3: row[random.Next() % d] = NAN; break;
      case 4: row[random.Next() % d] = random.Next() % 2 ? INFINITY : -INFINITY; break;
      case 5: for (size_t k = 0; k < d; k++) row[k] *= 1e19f; break;
      case 6: for (size_t k = 0; k < d; k++) row[k] *= 1e-22f; break;
      case 7: for (size_t k = 0; k < d; k++) row[k] = random.Next() % 2 ? 0.0f : -0.0f; break;
      default: break;
    }
  }
  return x;
}

// Between two bounds, each the distance of some row of the gallery, so that equality decides, or special.
void Bounds(Metric metric, size_t n, size_t m, size_t d, size_t k, bool nasty) {
  const Floats x = nasty ? Nasty(n, d, 61) : Normals(n * d, 61), y = nasty ? Nasty(m, d, 63) : Normals(m * d, 63);
  Floats all(n * m), beyond(n), within(n);
  CHECK(Distances({x.data(), y.data(), all.data(), n, m, d, metric}, nullptr) == Status::kOk, "status");
  const float special[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 3.4028235e38f, -3.4028235e38f};
  Random random(64);
  for (size_t i = 0; i < n; i++) {
    const auto some = [&] { return random.Next() % 8 == 0 ? special[random.Next() % 7] : all[i * m + random.Next() % m]; };
    beyond[i] = some();
    within[i] = some();
    if (!Before({metric, d, k}, beyond[i], within[i])) std::swap(beyond[i], within[i]);
  }
  AgainstDistances({metric, d, k, Filter::kNone, false, &beyond, nullptr}, x, y, false);
  AgainstDistances({metric, d, k, Filter::kNone, false, nullptr, &within}, x, y, false);
  AgainstDistances({metric, d, k, Filter::kDifferent, false, &beyond, &within}, x, y);
}

// A gallery that is large enough for the coarse pass: all its forms between two bounds, of which the lower one leaves out half, and
// rows that tie with either.
void BoundsOfSome(Metric metric, size_t n) {
  constexpr size_t kDepth = 35, kGallery = 4201, kCopies = 300;
  Floats y = Normals(kGallery * kDepth, 65), x(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(n * kDepth));
  for (size_t j = 0; j < kCopies; j++) {
    std::copy_n(y.begin() + static_cast<std::ptrdiff_t>(j % 7 * kDepth), kDepth, y.begin() + static_cast<std::ptrdiff_t>((2000 + 3 * j) * kDepth));
  }
  Floats all(n * kGallery), beyond(n), within(n);
  CHECK(Distances({x.data(), y.data(), all.data(), n, kGallery, kDepth, metric}, nullptr) == Status::kOk, "status");
  for (size_t i = 0; i < n; i++) {
    Floats row(all.begin() + static_cast<std::ptrdiff_t>(i * kGallery), all.begin() + static_cast<std::ptrdiff_t>((i + 1) * kGallery));
    std::sort(row.begin(), row.end(), [&](float a, float b) { return Before({metric, kDepth, 1}, a, b); });
    beyond[i] = i % 5 == 0 ? row[0] : row[kGallery / 2];
    within[i] = i % 7 == 0 ? row[kGallery / 2 + 3] : row[kGallery / 2 + kGallery / 20];
  }
  // Rows only, with a filter, or every form.
  const bool few = n < 48;
  AgainstDistances({metric, kDepth, 6, few ? Filter::kDifferent : Filter::kNone, false, &beyond, &within}, x, y, !few);
}

// Copies of the query begin amid a tile of the coarse pass, so some still wait when it gives up and the product of the same block comes
// upon more: the first of them must win.
void TiesThatWait(Metric metric, size_t n) {
  constexpr size_t kDepth = 33, kGallery = 5200, kFirst = 2051, kLast = 2200;
  const Floats query = Normals(kDepth, 31);
  Floats x, gallery = Normals(kGallery * kDepth, 32);
  for (size_t i = 0; i < n; i++) x.insert(x.end(), query.begin(), query.end());
  for (size_t j = kFirst; j < kLast; j++) std::copy(query.begin(), query.end(), gallery.begin() + static_cast<std::ptrdiff_t>(j * kDepth));
  AgainstDistances({metric, kDepth, 20}, x, gallery, false);
}

void ReferenceVectors() {
  for (const VectorCase& item : VectorCases("knn.")) {
    const Array x = item.Get("x"), ref = item.Has("ref") ? item.Get("ref") : x;
    const Array expected = item.Get("distances"), indices = item.Get("indices");
    const Case of{static_cast<Metric>(MetricNamed(item.Text("metric"))), x.shape[1], expected.shape[1], Filter::kNone, !item.Has("ref")};
    const Floats queries = x.Floats(), gallery = ref.Floats();
    for (const Level level : Levels()) {
      SetLevel(level);
      Found found;
      NearestOp op = OpOf(of, queries, {}, {}, ref.shape[0], found);
      op.gallery = gallery.data();
      CHECK(Nearest(op, nullptr) == Status::kOk, "status");
      for (size_t i = 0; i < found.indices.size(); i++) {
        CHECK(found.indices[i] == static_cast<int32_t>(indices.data[i]), "%s at %zu", item.Name().c_str(), i);
        CHECK(fabs(found.distances[i] - expected.data[i]) <= item.Tolerance("distances", expected), "%s at %zu", item.Name().c_str(), i);
      }
    }
  }
  SetLevel(DetectedLevel());
}

void Statuses() {
  const Floats x = Normals(40 * 8, 1);
  Found found;
  NearestOp op = OpOf({Metric::kDot, 8, 3}, x, {}, {}, 40, found);
  op.gallery = x.data();
  const std::atomic<bool> cancel{true};
  CHECK(Nearest(op, &cancel) == Status::kAborted, "aborted");
  op.n = SIZE_MAX / 16;
  op.metric = Metric::kSnr;
  CHECK(Nearest(op, nullptr) == Status::kOutOfMemory, "memory");
  op.n = 0;
  CHECK(Nearest(op, nullptr) == Status::kOk && found.indices[0] == -7, "nothing to do");
}

}  // namespace

int main() {
  for (const Metric metric : kMetrics) {
    for (const size_t n : {1, 15, 17, 257}) {
      for (const size_t m : {1, 16, 257, 1031}) {
        for (const size_t d : {1, 7, 65}) {
          for (const size_t k : {1, 10, 255}) {
            if (k <= m && n * m * d < 5000000) AgainstDistances({metric, d, k}, Normals(n * d, 1), Normals(m * d, 2), d == 7);
          }
        }
      }
    }
    AgainstDistances({metric, 900, 5}, Normals(3 * 900, 3), Normals(300 * 900, 4));  // depth that distances blocks
    AgainstDistances({metric, 1024, 5}, Normals(60 * 1024, 3), Normals(1100 * 1024, 4));         // several chunks of the gallery
    AgainstDistances({metric, 1024, 5}, Normals(1100 * 1024, 3), Normals(70 * 1024, 4), false);  // and blocks of rows
    AgainstDistances({metric, 30000, 3}, Normals(40 * 30000, 3), Normals(37 * 30000, 4), false);
    AgainstDistances({metric, 33, 1024}, Normals(3 * 33, 3), Normals(5000 * 33, 4));
    AgainstDistances({metric, 33, 10}, Normals(33, 3), Normals(20011 * 33, 4));  // one row, slices
    AgainstDistances({metric, 12, 2500}, Normals(120 * 12, 3), Normals(2600 * 12, 4));
    AgainstDistances({metric, 48, 10}, Normals(70 * 48, 5, 1, 100), Normals(700 * 48, 6, 1, 100));
    AgainstDistances({metric, 48, 10}, Normals(300 * 48, 5, 1, 100), Normals(700 * 48, 6, 1, 100));
    for (const size_t n : {1, 9, 150}) {
      AgainstDistances({metric, 19, 40}, Nasty(n, 19, 7), Nasty(631, 19, 8));
      AgainstDistances({metric, 3, 631}, Nasty(n, 3, 7), Nasty(631, 3, 8));
      for (const Filter filter : {Filter::kSame, Filter::kDifferent}) AgainstDistances({metric, 19, 300, filter}, Nasty(n, 19, 7), Nasty(631, 19, 8));
    }
    for (const size_t n : {1, 9, 70}) {
      for (const bool nasty : {false, true}) Bounds(metric, n, 431, 19, n == 9 ? 1 : 10, nasty);
    }
    // Large enough for a coarse pass at the levels that have one: plain, offset (where it gives up) and nasty rows.
    if (metric != Metric::kManhattan && metric != Metric::kSnr) {
      AgainstDistances({metric, 37, 10}, Normals(60 * 37, 3), Normals(4500 * 37, 4), false);
      AgainstDistances({metric, 33, 3}, Normals(25 * 33, 5, 1, 100), Normals(4200 * 33, 6, 1, 100), false);
      AgainstDistances({metric, 33, 12, Filter::kSame}, Nasty(25, 33, 7), Nasty(4200, 33, 8), false);
      for (const size_t n : {25, 60}) TiesThatWait(metric, n);
      for (const size_t n : {30, 60}) BoundsOfSome(metric, n);
    }
    const Floats itself = Nasty(413, 17, 9);
    AgainstDistances({metric, 17, 20, Filter::kNone, true}, itself, itself);
    AgainstDistances({metric, 17, 20, Filter::kSame, true}, itself, itself);
    AgainstOracle(metric, 20, 500, 65, 17);
    AgainstOracle(metric, 1, 500, 65, 17);
  }
  ReferenceVectors();
  Statuses();
  return 0;
}
