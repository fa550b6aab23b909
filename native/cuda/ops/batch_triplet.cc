// The batch triplet loss on the device, without `swap`: what ops/batch_triplet.cc does with a block of anchors, its distances and their weights never
// leaving the device. An anchor's sums, in double, cross the bus once, and the host adds them in order.
#include "../../ops/blocks.h"
#include "../../ops/ops.h"
#include "../../ops/triplet_terms.h"
#include "ops.h"
#include "pair_batch.h"

namespace hypersphere {
namespace cuda {
namespace {

size_t PowerOfTwoFrom(size_t count) {
  size_t power = 1;
  while (power < count) power *= 2;
  return power;
}

size_t LargestClass(const ClassRows& classes) {
  size_t largest = 0;
  for (size_t t = 0; t < classes.count; t++) largest = Most(largest, classes.starts[t + 1] - classes.starts[t]);
  return largest;
}

TripletBlock Allocate(Call& call, PairBatch& batch, const BatchRows& rows, const BatchTripletOp& op) {
  const bool dense = op.mining != Mining::kBatchHard;
  const size_t anchors = dense ? batch.Most() : 0, most = PowerOfTwoFrom(LargestClass(rows.Classes()));
  TripletBlock of{};
  of.classes = batch.UploadClasses();
  of.mining = op.mining;
  of.margin = op.margin;
  of.seed = op.seed;
  of.soft = op.soft;
  of.wanted = op.grad_x != nullptr;
  of.totals = call.Allocate<TripletTotals>(op.n);
  of.most = most;
  of.order = call.Allocate<uint64_t>(anchors * most);
  of.waiting = call.Allocate<uint64_t>(anchors * most);
  of.bounds = call.Allocate<float>(3 * anchors * most);
  of.sums = call.Allocate<double>(anchors * (most + 1));
  of.coefficients = call.Allocate<double>(anchors * rows.Columns());
  of.shares = call.Allocate<unsigned>(anchors * (most + 1));
  return of;
}

void Fill(float* values, size_t count, float value) {
  for (size_t i = 0; values != nullptr && i < count; i++) values[i] = value;
}

}  // namespace

Status BatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept {
  const size_t n = op.n, columns = n + op.m;
  if (n == 0 || columns < 2) return hypersphere::BatchTriplet(op, cancel);  // nothing to compute
  const bool hard = op.mining == Mining::kBatchHard, wanted = op.grad_x != nullptr;
  Workspace space;
  BatchRows rows(space, {op.x, op.labels, n, op.d, op.metric, op.normalize, false, op.memory, op.memory_labels, op.m});
  const size_t totals_place = space.Add<TripletTotals>(n);
  if (!space.Allocate()) return Status::kOutOfMemory;
  Status status = rows.Order(cancel);
  if (status != Status::kOk) return status;

  Call call(cancel);
  PairBatch batch(call, rows, !hard, wanted);
  const TripletBlock of = Allocate(call, batch, rows, op);
  for (size_t first = 0; !call.Failed() && first < n; first += batch.Most()) {
    const PairBlock block = batch.Distances(first);
    if (hard) {
      call.LaunchGroups(Kernel::k_batch_hard_triplets, block.count, block, of, batch.Sums());
    } else {
      call.LaunchGroups(Kernel::k_chosen_triplets, block.count, block, of);
      if (wanted) batch.LaunchWeigh(block);
    }
    if (wanted) batch.LaunchAdd(block);
  }
  TripletTotals* const totals = space.At<TripletTotals>(totals_place);
  call.Download(totals, of.totals, n);
  status = call.Finish();
  if (status != Status::kOk) return status;

  double loss = 0, triplets = 0, active = 0;
  bool nan = rows.AnyInfinite();
  for (size_t i = 0; i < n; i++) {
    loss += totals[i].loss;
    triplets += totals[i].triplets;
    active += totals[i].active;
    nan = nan || totals[i].nan || totals[i].loss != totals[i].loss;
  }
  const double scale = TripletScale(op.reduction, triplets, active);
  if (wanted && !nan) {
    call.Download(op.grad_x, batch.LaunchFinish(scale), n * op.d);
    status = call.Finish();
    if (status != Status::kOk) return status;
  }
  op.result[0] = nan ? __builtin_nan("") : scale * loss;
  op.result[1] = triplets;
  op.result[2] = active;
  if (nan) Fill(op.grad_x, n * op.d, __builtin_nanf(""));
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
