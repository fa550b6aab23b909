#include "angular.h"

#include "../ops/pair_sweep.h"

namespace hypersphere {

Status AngularLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  const PairInput input{op.x, op.labels, op.n, op.d, Metric::kCosineSimilarity, true, true, op.memory, op.memory_labels, op.m};
  PairSweep sweep(input, 1, op.grad_x, cancel);
  Status status = sweep.Start();
  if (status != Status::kOk) return status;
  const AngularRule rule(op);
  status = sweep.Sweep([&](const PairedRow& pair) { rule(pair, sweep.Terms()); });
  if (status != Status::kOk) return status;
  const double share = 1 / AtLeastOne(sweep.PositivePairs()), loss = share * sweep.Sum(0);
  const bool undefined = sweep.Undefined() || loss != loss;
  *op.loss = undefined ? __builtin_nan("") : loss;
  return sweep.Finish(undefined, share);
}

}  // namespace hypersphere
