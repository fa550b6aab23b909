#include "row_sweep.h"

#include <string.h>

namespace hypersphere {
namespace cuda {

namespace {

// Of the groups of a launch: at the most bins there are, as many as a small device runs at a time.
constexpr size_t kHistogramBytes = size_t{64} << 20;

size_t GroupsOfLaunch(size_t most, size_t nodes) {
  const size_t bytes = 2 * nodes * (sizeof(uint64_t) + sizeof(double));
  return nodes == 0 ? most : Least(most, Most(1, kHistogramBytes / bytes));
}

}  // namespace

SweptBatch::SweptBatch(const BatchLossOp& op, const SweepForm& form)
    : op(op),
      form(form),
      rows(space, {op.x, op.labels, op.n, op.d, form.metric, form.normalize, true, op.memory, op.memory_labels, op.m}),
      fetched_place(space.Add<double>(op.n * form.sums)),
      sums_place(space.Add<double>(op.n * form.sums)),
      nan_place(space.Add<uint8_t>(op.n)),
      given_place(space.Add<size_t>(op.n)),
      own_place(space.Add<Span>(op.n)),
      stored_place(space.Add<Span>(op.n)),
      gradient_place(space.Add<float>(op.grad_x != nullptr ? op.n * op.d : 0)),
      shares_place(space.Add<uint64_t>(2 * form.nodes)),
      slopes_place(space.Add<double>(2 * form.nodes)) {}

Status SweptBatch::Start(const std::atomic<bool>* cancel) {
  if (!space.Allocate()) return Status::kOutOfMemory;
  const Status status = rows.Order(cancel);
  if (status != Status::kOk) return status;
  for (size_t at = 0; at < op.n; at++) {
    space.At<size_t>(given_place)[at] = rows.Given(at);
    space.At<Span>(own_place)[at] = rows.OwnRun(at);
    space.At<Span>(stored_place)[at] = rows.MemoryRun(at);
  }
  return status;
}

RowSweep::RowSweep(SweptBatch& batch, const std::atomic<bool>* cancel)
    : batch_(batch), call_(cancel), pairs_(call_, batch.rows, true, batch.op.grad_x != nullptr), counts_(CountPairs(batch.rows)),
      groups_(GroupsOfLaunch(pairs_.Most(), batch.form.nodes)) {
  const size_t n = batch.op.n;
  undefined_ = batch.rows.AnyInfinite();
  rows_.given = call_.Upload(batch.space.At<size_t>(batch.given_place), n);
  rows_.own = call_.Upload(batch.space.At<Span>(batch.own_place), n);
  rows_.stored = call_.Upload(batch.space.At<Span>(batch.stored_place), n);
  rows_.nan = call_.Allocate<uint8_t>(n);
  if (batch.form.nodes > 0) {
    const size_t nodes = 2 * groups_ * batch.form.nodes;
    histograms_ = {call_.Allocate<uint64_t>(nodes), call_.Allocate<double>(nodes), batch.form.nodes};
    // 0 has the same bits.
    call_.LaunchThreads(Kernel::k_clear_doubles, nodes, reinterpret_cast<double*>(histograms_.shares), nodes);
  }
  rows_.scratch_rows = batch.form.scratch;
  rows_.scratch = call_.Allocate<float>(pairs_.Most() * batch.form.scratch * batch.rows.Columns());
}

PairBlock RowSweep::Part(const PairBlock& block, size_t at) const {
  PairBlock part = block;
  part.first += at;
  part.count = Least(groups_, block.count - at);
  part.distances += at * block.columns;
  if (part.weights != nullptr) part.weights += at * block.columns;
  return part;
}

SoftHistograms RowSweep::FoldHistograms() {
  const size_t nodes = 2 * batch_.form.nodes;
  const SoftHistograms all{batch_.space.At<uint64_t>(batch_.shares_place), batch_.space.At<double>(batch_.slopes_place), batch_.form.nodes};
  memset(all.shares, 0, nodes * sizeof(uint64_t));
  uint64_t* const folded = call_.Allocate<uint64_t>(nodes);
  call_.LaunchThreads(Kernel::k_fold_shares, nodes, static_cast<const uint64_t*>(histograms_.shares), groups_, nodes, folded);
  call_.Download(all.shares, static_cast<const uint64_t*>(folded), nodes);
  call_.Finish();
  return all;
}

SweptRows RowSweep::Begin(bool wanted) {
  Fetch();
  rows_.before = sums_;
  rows_.sums = spare_ != nullptr ? spare_ : call_.Allocate<double>(batch_.op.n * batch_.form.sums);
  rows_.wanted = wanted;
  spare_ = sums_;
  sums_ = rows_.sums;
  fetched_ = false;
  return rows_;
}

void RowSweep::Fetch() {
  if (fetched_ || call_.Failed()) return;
  const size_t n = batch_.op.n, stride = batch_.form.sums;
  double* const fetched = batch_.space.At<double>(batch_.fetched_place);
  uint8_t* const nan = batch_.space.At<uint8_t>(batch_.nan_place);
  call_.Download(fetched, sums_, n * stride);
  call_.Download(nan, rows_.nan, n);
  if (call_.Finish() != Status::kOk) return;
  for (size_t at = 0; at < n; at++) {
    memcpy(batch_.space.At<double>(batch_.sums_place) + batch_.rows.Given(at) * stride, fetched + at * stride, stride * sizeof(double));
    undefined_ = undefined_ || nan[at] != 0;
  }
  fetched_ = true;
}

double RowSweep::SumOf(size_t row, size_t which) {
  Fetch();
  return call_.Failed() ? 0 : batch_.space.At<double>(batch_.sums_place)[row * batch_.form.sums + which];
}

double RowSweep::Sum(size_t which) {
  double total = 0;
  for (size_t i = 0; i < batch_.op.n; i++) total += SumOf(i, which);
  return total;
}

bool RowSweep::Undefined() {
  Fetch();
  return undefined_;
}

Status RowSweep::Finish(double loss, double scale) {
  Fetch();
  const BatchLossOp& op = batch_.op;
  const bool undefined = undefined_ || loss != loss;
  float* const gradient = batch_.space.At<float>(batch_.gradient_place);
  const bool wanted = op.grad_x != nullptr && !undefined;
  // The products have the negated dots.
  if (wanted && !call_.Failed()) call_.Download(gradient, pairs_.LaunchFinish(batch_.rows.Cosine() ? -scale : scale), op.n * op.d);
  const Status status = call_.Finish();
  if (status != Status::kOk) return status;
  WriteLoss(op, loss, undefined, batch_.space.At<double>(batch_.sums_place), batch_.form.sums);
  for (size_t at = 0; wanted && at < op.n; at++) memcpy(op.grad_x + batch_.rows.Given(at) * op.d, gradient + at * op.d, op.d * sizeof(float));
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
