// The device's neighbours are the CPU's, index by index and bit by bit, at every level with fused multiply-add: by every metric, filter and
// bound, over one block of the gallery and over several, of rows that come with the call and of rows that stay.
#include "../../native/cuda/ops/gallery.h"
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

constexpr Metric kMetrics[] = {Metric::kSquaredEuclidean, Metric::kEuclidean,      Metric::kManhattan, Metric::kDot,
                               Metric::kCosineSimilarity, Metric::kCosineDistance, Metric::kSnr};

struct Found {
  std::vector<int32_t> indices;
  std::vector<float> distances;
};

template <class Run>
Found Search(NearestOp op, const Run& run) {
  Found found{std::vector<int32_t>(op.n * op.k, 77), std::vector<float>(op.n * op.k, 77)};
  op.indices = found.indices.data();
  op.distances = found.distances.data();
  Succeed(run(op));
  return found;
}

std::vector<double> Joined(const Found& found) {
  std::vector<double> all;
  Append(all, found.indices);
  Append(all, found.distances);
  return all;
}

Found SearchOnCpu(const NearestOp& op) {
  return Search(op, [](const NearestOp& of) { return Nearest(of, nullptr); });
}

void TestSearch(const char* words, const NearestOp& op) {
  const std::string name = std::string(words) + ", metric " + std::to_string(static_cast<int>(op.metric));
  TestBits("nearest", name.c_str(), [&](bool device) {
    return Joined(device ? Search(op, [](const NearestOp& of) { return cuda::Nearest(of, nullptr); }) : SearchOnCpu(op));
  });
  if (op.exclude_self) return;
  cuda::Gallery gallery(op.m, op.d, op.metric);
  Succeed(gallery.Pack(op.gallery, op.half_gallery, op.gallery_labels));
  for (int twice = 0; twice < 2; twice++) {
    TestBits("Gallery", name.c_str(), [&](bool device) {
      return Joined(device ? Search(op, [&](const NearestOp& of) { return gallery.Search(of, nullptr); }) : SearchOnCpu(op));
    });
  }
}

// Rows of which many tie, some are zero, far out, infinite or no numbers.
std::vector<float> Rough(size_t n, size_t d, uint32_t seed) {
  std::vector<float> rows = Normals(n * d, seed);
  const float scales[] = {1, 0, 1e-30f, 1e25f, INFINITY, NAN, 1e-20f, 1};
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < d; k++) rows[i * d + k] = i % 3 == 2 ? rows[i % 2 * d + k] : rows[i * d + k] * scales[i % 16 < 8 ? 0 : i % 8];
  }
  return rows;
}

std::vector<int32_t> Labels(size_t n, int32_t classes, uint32_t seed) {
  Random random(seed);
  std::vector<int32_t> labels(n);
  for (int32_t& label : labels) label = static_cast<int32_t>(random.Next() % static_cast<uint32_t>(classes));
  return labels;
}

NearestOp Plain(const std::vector<float>& x, const std::vector<float>& gallery, size_t d, size_t k, Metric metric) {
  NearestOp op{};
  op.x = x.data();
  op.gallery = gallery.data();
  op.n = x.size() / d;
  op.m = gallery.size() / d;
  op.d = d;
  op.k = k;
  op.metric = metric;
  return op;
}

void TestMetric(Metric metric) {
  constexpr size_t d = 9;
  const std::vector<float> x = Rough(11, d, 1), gallery = Rough(150, d, 2);
  const std::vector<int32_t> labels = Labels(11, 4, 3), gallery_labels = Labels(150, 5, 4);
  for (const size_t k : {1, 7, 150}) TestSearch("plain", Plain(x, gallery, d, k, metric));
  NearestOp op = Plain(gallery, gallery, d, 5, metric);
  op.exclude_self = true;
  TestSearch("without the own row", op);
  for (const Filter filter : {Filter::kSame, Filter::kDifferent}) {
    op = Plain(x, gallery, d, 60, metric);  // more than some classes have
    op.filter = filter;
    op.labels = labels.data();
    op.gallery_labels = gallery_labels.data();
    TestSearch("of a class", op);
  }
  std::vector<uint16_t> halves(gallery.size());
  CurrentKernels().narrow(gallery.data(), gallery.size(), halves.data());
  op = Plain(x, gallery, d, 6, metric);
  op.gallery = nullptr;
  op.half_gallery = halves.data();
  TestSearch("bfloat16", op);
  // Bounds that some of the distances tie with.
  const Found some = SearchOnCpu(Plain(x, gallery, d, 40, metric));
  std::vector<float> beyond(11), within(11);
  for (size_t i = 0; i < 11; i++) {
    beyond[i] = some.distances[i * 40 + 4];
    within[i] = some.distances[i * 40 + 35];
  }
  op = Plain(x, gallery, d, 30, metric);
  op.beyond = beyond.data();
  TestSearch("beyond", op);
  op.within = within.data();
  TestSearch("between", op);
  op.beyond = nullptr;
  TestSearch("within", op);
}

// More columns than one block has: with the best of them anywhere, last, and many of them.
void TestBlocks() {
  constexpr size_t m = 2 * 8192 + 100;
  const std::vector<float> x = Normals(32, 1);
  std::vector<float> gallery(m);
  for (size_t j = 0; j < m; j++) gallery[j] = static_cast<float>(j % 997) - 300;
  TestSearch("several blocks", Plain(x, gallery, 1, 20, Metric::kSquaredEuclidean));
  std::vector<uint16_t> halves(m);
  CurrentKernels().narrow(gallery.data(), m, halves.data());
  NearestOp op = Plain(x, gallery, 1, 20, Metric::kSquaredEuclidean);
  op.gallery = nullptr;
  op.half_gallery = halves.data();
  TestSearch("several blocks of bfloat16", op);
  for (size_t j = 0; j < m; j++) gallery[j] = static_cast<float>(m - j);
  TestSearch("ever nearer", Plain(x, gallery, 1, 20, Metric::kSquaredEuclidean));
  TestSearch("ever nearer, and many", Plain(x, gallery, 1, 1500, Metric::kSquaredEuclidean));
}

}  // namespace

void hypersphere::test::TestNeighbours() {
  for (const Metric metric : kMetrics) TestMetric(metric);
  TestBlocks();
}
