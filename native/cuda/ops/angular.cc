// The angular loss on the device, over the sweep of pair_sweep.h. Sums of rows come to the host once and are added there in the caller's order.
#include "../../losses/angular.h"
#include "../../ops/row_sweep.h"
#include "pair_sweep.h"

namespace hypersphere {
namespace cuda {

Status AngularLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  Workspace space;
  const bool wanted = op.grad_x != nullptr;
  PairedBatch batch(space, {op.x, op.labels, op.n, op.d, Metric::kCosineSimilarity, true, true, op.memory, op.memory_labels, op.m}, wanted);
  const size_t sums_place = space.Add<double>(op.n), nan_place = space.Add<uint8_t>(op.n), columns = batch.Rows().Columns();
  if (!space.Allocate()) return Status::kOutOfMemory;
  Status status = batch.Start(cancel);
  if (status != Status::kOk) return status;
  Call call(cancel);
  PairSweep sweep(call, batch);
  const PairedRows of{call.Upload(batch.Runs(), columns), call.Allocate<double>(op.n), call.Allocate<uint8_t>(op.n),
                      call.Allocate<float>(sweep.Most() * columns), wanted};
  const AngularRule rule(op);
  sweep.Sweep([&](const PairBlock& anchors, const PairBlock& partners) {
    call.LaunchGroups(Kernel::k_angular_pairs, anchors.count, anchors, partners, of, rule);
  });
  double* const sums = space.At<double>(sums_place);
  uint8_t* const nan = space.At<uint8_t>(nan_place);
  call.Download(sums, static_cast<const double*>(of.sums), op.n);
  call.Download(nan, static_cast<const uint8_t*>(of.nan), op.n);
  status = call.Finish();
  if (status != Status::kOk) return status;
  double loss = 0;
  bool undefined = batch.Rows().AnyInfinite();
  for (size_t i = 0; i < op.n; i++) {
    loss += sums[batch.ColumnOf(i)];
    undefined = undefined || nan[i] != 0;
  }
  const double share = 1 / AtLeastOne(CountPairs(batch.Rows()).positive_pairs);
  loss *= share;
  undefined = undefined || loss != loss;
  status = sweep.Finish(undefined, share, op.grad_x);
  if (status != Status::kOk) return status;
  *op.loss = undefined ? __builtin_nan("") : loss;
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
