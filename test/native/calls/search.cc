// Searches, galleries that are kept, ranks.
#include "../../../native/ops/gallery.h"
#include "../../../native/ops/ops.h"
#include "call.h"

namespace hypersphere::test {
namespace {

void ReadSearch(Call& call, NearestOp& op, Metric metric) {
  Source& from = call.source;
  op.metric = metric;
  // Now and then a gallery that the coarse pass is for.
  const bool many = from.Byte() % 32 == 31;
  op.d = many ? from.Size(32, 40) : from.Length(1, 300);
  op.m = many ? from.Size(4096, 4200) : from.Length(0, 100000 / op.d < 1500 ? 100000 / op.d : 1500);
  op.n = many ? from.Length(1, 60) : from.Length(0, 300000 / (op.d * (op.m + 1)) < 300 ? 300000 / (op.d * (op.m + 1)) : 300);
  op.k = from.Length(1, op.m + 2);
  op.exclude_self = from.Flag();
  op.filter = from.Of({Filter::kNone, Filter::kSame, Filter::kDifferent});
  op.x = call.Rows(op.n, op.d);
  if (op.filter != Filter::kNone) op.labels = call.AnyLabels(op.n);
  if (from.Flag()) op.beyond = call.Rows(op.n, 1);
  if (from.Flag()) op.within = call.Rows(op.n, 1);
  op.indices = call.Result<int32_t>(op.n * op.k);
  op.distances = call.Result<float>(op.n * op.k);
}

void BuildNearest(Call& call, int metric) {
  NearestOp op{};
  ReadSearch(call, op, static_cast<Metric>(metric));
  if (op.filter != Filter::kNone) op.gallery_labels = call.AnyLabels(op.m);
  if (call.source.Flag()) {
    op.half_gallery = call.HalfRows(op.m, op.d);
  } else {
    op.gallery = call.Rows(op.m, op.d);
  }
  call.run = [op](const std::atomic<bool>* cancel) { return Nearest(op, cancel); };
}

void BuildGallery(Call& call, int metric) {
  NearestOp op{};
  ReadSearch(call, op, static_cast<Metric>(metric));
  const int32_t* const labels = op.filter != Filter::kNone ? call.AnyLabels(op.m) : nullptr;
  const bool halves = call.source.Flag();
  const uint16_t* const half_rows = halves ? call.HalfRows(op.m, op.d) : nullptr;
  const float* const rows = halves ? nullptr : call.Rows(op.m, op.d);
  call.run = [=](const std::atomic<bool>* cancel) {
    PackedGallery gallery(op.m, op.d, op.metric);
    const Status status = gallery.Pack(rows, half_rows, labels);
    if (status != Status::kOk) return status;
    NearestOp search = op;
    search.packed = &gallery;
    search.gallery_labels = gallery.labels;
    return Nearest(search, cancel);
  };
}

// Rows of one class each, as retrieval has them; what is found must be one of the m, and the own row one of the relevant.
void BuildRanks(Call& call, int) {
  Source& from = call.source;
  RanksOp op{};
  op.m = from.Flag() ? from.Length(1, 300) : from.Size(1, 1200);
  op.n = from.Length(0, 6000 / op.m < op.m ? 6000 / op.m : op.m);
  op.descending = from.Flag();
  const bool own = from.Flag();
  const size_t classes = from.Length(1, op.m);
  op.own = own ? static_cast<int64_t>(from.Size(0, op.m - op.n)) : -1;
  std::vector<int32_t> rows, starts{0}, begins, ends;
  for (size_t c = 0; c < classes; c++) {
    for (size_t row = c; row < op.m; row += classes) rows.push_back(static_cast<int32_t>(row));
    starts.push_back(static_cast<int32_t>(rows.size()));
  }
  size_t total = 0;
  for (size_t i = 0; i < op.n; i++) {
    const size_t c = own ? (static_cast<size_t>(op.own) + i) % classes : i % classes;
    begins.push_back(starts[c]);
    ends.push_back(starts[c + 1]);
    total += static_cast<size_t>(starts[c + 1] - starts[c]) - (own ? 1 : 0);
  }
  op.rows = call.Given(rows);
  op.from = call.Given(begins);
  op.to = call.Given(ends);
  op.values = call.MovedRows(op.n, op.m);
  op.ranks = call.Result<int32_t>(total);
  call.run = [op](const std::atomic<bool>* cancel) { return RelevantRanks(op, cancel); };
}

}  // namespace

Group SearchCalls() {
  Group group{"search", {{"relevantRanks", BuildRanks, 0}}};
  for (int metric = 0; metric <= static_cast<int>(Metric::kSnr); metric++) {
    group.calls.push_back({"nearest", BuildNearest, metric});
    group.calls.push_back({"gallery", BuildGallery, metric});
  }
  return group;
}

}  // namespace hypersphere::test
