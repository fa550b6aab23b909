// The bound of the coarse pass, pair by pair: a pair whose limit is exactly what `Distances` makes of it must pass, also where the
// quantisation errors line up with the other row and where there are none, so that only rounding is left; and plain pairs that are
// clearly beyond their limit must not. The same for pairs nearer than a search begins.
#include <math.h>

#include <algorithm>

#include "../../native/ops/blocks.h"
#include "../../native/ops/coarse.h"
#include "../../native/ops/ops.h"
#include "oracle.h"
#include "vectors.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;

constexpr Metric kBounded[] = {Metric::kSquaredEuclidean, Metric::kEuclidean, Metric::kDot, Metric::kCosineSimilarity, Metric::kCosineDistance};

bool Grows(Metric metric) { return metric == Metric::kDot || metric == Metric::kCosineSimilarity; }

// One row against columns, each with a limit of its own.
class OneRow {
 public:
  OneRow(Metric metric, const Floats& x, const Floats& y)
      : kernels_(CurrentKernels()), metric_(metric), x_(x), d_(x.size()), m_(y.size() / d_), pass_(kernels_, metric, d_) {
    const size_t width = kernels_.tile_cols;
    padded_ = RoundUp(m_, width);
    pass_.Plan(space_, 1, 1);
    const size_t panels = space_.Add<uint8_t>(padded_ * CoarseBytes(d_)), bytes = space_.Add<uint8_t>(m_ * CoarseBytes(d_) + kMostPending);
    const size_t steps = space_.Add<float>(padded_), norms = space_.Add<float>(padded_), errors = space_.Add<float>(padded_);
    const size_t sums = space_.Add<int32_t>(padded_);
    CHECK(space_.Allocate(), "memory");
    pass_.Place(space_);
    columns_ = {space_.At<uint8_t>(panels), {space_.At<float>(steps), space_.At<float>(norms), space_.At<float>(errors), space_.At<int32_t>(sums)}};
    pass_.PackRows(x.data(), 1, 0, 1);
    pass_.FinishRows(1);
    QuantizeColumns(kernels_, y.data(), m_, d_, space_.At<uint8_t>(bytes), columns_);
    terms_.resize(kCoarseTerms * padded_);
    pass_.ColumnTerms(columns_, m_, padded_, terms_.data());
  }

  // Whether column j may have a key within the limit, and beyond a distance. Its whole tile is run, with no column but j allowed.
  bool Passes(size_t j, float limit, const float* beyond = nullptr) {
    const size_t width = kernels_.tile_cols, first = j / width * width, cols = Least(width, m_ - first);
    const int32_t own = 1;
    std::vector<int32_t> labels(cols, 0);
    labels[j - first] = own;
    PendingColumns& pending = *pass_.pending();
    pending.count = 0;
    Selection to{};
    to.limits = &limit;
    to.beyond = beyond;
    to.first_col = first;
    to.filter = Filter::kSame;
    to.labels = &own;
    to.gallery_labels = labels.data();
    const DistanceBlock block{x_.data(), nullptr, nullptr, nullptr, d_, metric_};
    CHECK(pass_.Run(columns_.At(first, CoarseSteps(d_)), terms_.data() + first, cols, padded_, 1, 0, {nullptr, nullptr, nullptr, &pending}, block, to) == cols,
          "done");
    CHECK(pending.count == 0 || (pending.count == 1 && pending.columns[0] == static_cast<int32_t>(j)), "the column");
    return pending.count == 1;
  }

 private:
  const KernelTable& kernels_;
  Metric metric_;
  const Floats& x_;
  size_t d_, m_, padded_;
  CoarsePass pass_;
  Workspace space_;
  CoarseSide columns_{};
  Floats terms_;
};

// As a search would have it for a candidate that just passes: euclidean compares squares.
float LimitFor(Metric metric, float value) {
  if (Grows(metric)) return -value;
  return metric == Metric::kEuclidean ? value * value * (1 + 0x1p-20f) + 0x1p-100f : value;
}

Floats Values(Metric metric, const Floats& x, const Floats& y) {
  Floats values(y.size() / x.size());
  CHECK(Distances({x.data(), y.data(), values.data(), 1, values.size(), x.size(), metric}, nullptr) == Status::kOk, "status");
  return values;
}

void Append(Floats& rows, const Floats& row, float scale = 1) {
  for (const float value : row) rows.push_back(value * scale);
}

// All of one sign: errors of (almost) half a step beside one coordinate that sets it.
Floats Leaning(size_t d, float by, float sign) {
  Floats row(d);
  for (size_t k = 0; k < d; k++) row[k] = sign * (static_cast<float>(k % 3 + 1) + by);
  row[d / 2] = sign * 127;
  return row;
}

Floats Wholes(size_t d, uint32_t seed, float unit) {
  Random random(seed);
  Floats row(d);
  for (float& value : row) value = (static_cast<float>(random.Next() % 255) - 127) * unit;
  row[0] = 127 * unit;
  return row;
}

// Rows that share a direction, a scale, their quantisation errors, or none of these.
Floats Hard(size_t d, uint32_t seed) {
  const Floats plain = Normals(d, seed), offset = Normals(d, seed, 1, 100), ones(d, 1.0f);
  Floats rows, outlier = plain, near = plain, tiny(d, 0.0f);
  for (const float scale : {1.0f, -1.0f, 2.0f, 1e-6f, 1e6f, 1e12f, 1e19f, 1e30f, 1e-8f, 1e-12f, 1e-30f}) Append(rows, plain, scale);
  outlier[d - 1] = 1e6f;
  Append(rows, outlier);
  outlier[d - 1] = 3e38f;
  Append(rows, outlier);
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    Floats odd = plain;
    odd[d / 3] = value;
    Append(rows, odd);
  }
  for (float& value : near) value *= 1 + 1e-6f;
  Append(rows, near);
  Append(rows, offset);
  Append(rows, Floats(d, 0.0f));
  Append(rows, Floats(d, -0.0f));
  Append(rows, Floats(d, 1e-42f));
  tiny[0] = 0x1p-30f;
  Append(rows, tiny);
  for (const float scale : {1.0f, 0.1f, -3.0f}) Append(rows, ones, scale);
  for (const float by : {0.499f, -0.499f}) {
    for (const float sign : {1.0f, -1.0f}) Append(rows, Leaning(d, by, sign), 0.37f);
  }
  for (const uint32_t other : {1u, 2u}) Append(rows, Wholes(d, other, 0.1f));
  Append(rows, Wholes(d, 1, -0.1f));
  Append(rows, Normals(3 * d, seed + 1));
  return rows;
}

void TiesPass(Metric metric, size_t d) {
  const Floats rows = Hard(d, 5);
  for (size_t i = 0; i < rows.size() / d; i++) {
    const auto at = rows.begin() + static_cast<std::ptrdiff_t>(i * d);
    const Floats x(at, at + static_cast<std::ptrdiff_t>(d)), values = Values(metric, x, rows);
    OneRow row(metric, x, rows);
    for (size_t j = 0; j < values.size(); j++) {
      CHECK(row.Passes(j, LimitFor(metric, values[j])), "%s, d %zu, row %zu, column %zu: %g is lost", NameOf(metric), d, i, j, values[j]);
      CHECK(row.Passes(j, NAN), "%s: no limit yet", NameOf(metric));
      const float before = nextafterf(values[j], Grows(metric) ? INFINITY : -INFINITY);
      CHECK(row.Passes(j, NAN, &before), "%s, d %zu, row %zu, column %zu: %g beyond %g is lost", NameOf(metric), d, i, j, values[j], before);
    }
  }
}

// Else all of the above would hold of a pass that lets everything through. Errors are a percent or so of the norms.
void OthersDoNot(Metric metric, size_t d) {
  const Floats x = Normals(d, 11), y = Normals(100 * d, 12), values = Values(metric, x, y);
  OneRow row(metric, x, y);
  const double length = OracleLength(x.data(), d);
  for (size_t j = 0; j < values.size(); j++) {
    const double other = OracleLength(&y[j * d], d), product = length * other;
    const bool cosine = metric == Metric::kCosineSimilarity || metric == Metric::kCosineDistance;
    const double clear = 0.05 * (cosine ? 1 : metric == Metric::kDot ? product : 2 * product);
    const double limit = (metric == Metric::kEuclidean ? double(values[j]) * double(values[j]) : double(LimitFor(metric, values[j]))) - clear;
    CHECK(!row.Passes(j, static_cast<float>(limit)), "%s, d %zu: column %zu passes %g", NameOf(metric), d, j, limit);
    const double key = (metric == Metric::kEuclidean ? double(values[j]) * double(values[j]) : double(values[j])) + (Grows(metric) ? -clear : clear);
    const float beyond = static_cast<float>(metric == Metric::kEuclidean ? sqrt(key) : key);
    CHECK(!row.Passes(j, NAN, &beyond), "%s, d %zu: column %zu passes beyond %g", NameOf(metric), d, j, double(beyond));
  }
}

}  // namespace

int main() {
  SetLevel(DetectedLevel());
  if (!HasCoarse(CurrentKernels())) {
    printf("coarse: skipped, this CPU has no byte products\n");
    return 0;
  }
  for (const Metric metric : kBounded) {
    for (const size_t d : {1, 3, 32, 37, 128, 1000, 16384}) TiesPass(metric, d);
    for (const size_t d : {32, 37, 128, 1000}) OthersDoNot(metric, d);
  }
  return 0;
}
