// The batch triplet loss with `swap` on the device: what ops/batch_triplet_swap.cc does over the sweep of ops/pair_sweep.h.
#include "../../ops/triplet_terms.h"
#include "pair_sweep.h"
#include "triplets.h"

namespace hypersphere {
namespace cuda {

Status SwappedBatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept {
  Workspace space;
  const bool wanted = op.grad_x != nullptr;
  PairedBatch batch(space, {op.x, op.labels, op.n, op.d, op.metric, op.normalize, true, op.memory, op.memory_labels, op.m}, wanted);
  const size_t place = space.Add<TripletTotals>(op.n), columns = batch.Rows().Columns();
  if (!space.Allocate()) return Status::kOutOfMemory;
  Status status = batch.Start(cancel);
  if (status != Status::kOk) return status;
  Call call(cancel);
  PairSweep sweep(call, batch);
  const SwappedTriplets of{call.Upload(batch.Runs(), columns),
                           call.Upload(batch.Given(), columns),
                           call.Upload(batch.Columns(), columns),
                           op.mining,
                           op.margin,
                           op.seed,
                           op.soft,
                           wanted,
                           call.Allocate<TripletTotals>(op.n)};
  sweep.Sweep([&](const PairBlock& anchors, const PairBlock& partners) {
    call.LaunchGroups(Kernel::k_swapped_triplets, anchors.count, anchors, partners, of);
  });
  TripletTotals* const totals = space.At<TripletTotals>(place);
  call.Download(totals, of.totals, op.n);
  status = call.Finish();
  if (status != Status::kOk) return status;
  double loss = 0, triplets = 0, active = 0;
  bool undefined = batch.Rows().AnyInfinite();
  for (size_t i = 0; i < op.n; i++) {
    const TripletTotals& row = totals[batch.ColumnOf(i)];
    loss += row.loss;
    triplets += row.triplets;
    active += row.active;
    undefined = undefined || row.nan;
  }
  undefined = undefined || loss != loss;
  const double scale = TripletScale(op.reduction, triplets, active);
  status = sweep.Finish(undefined, scale, op.grad_x);
  if (status != Status::kOk) return status;
  op.result[0] = undefined ? __builtin_nan("") : scale * loss;
  op.result[1] = triplets;
  op.result[2] = active;
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
