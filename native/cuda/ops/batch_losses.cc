// The losses over the rows of a batch.
#include "ops.h"
#include "pair_sweep.h"
#include "row_sweep.h"

namespace hypersphere {
namespace cuda {

Status BatchLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept {
  if (op.n == 0 || op.n + op.m < 2) return hypersphere::BatchLoss(op, cancel);  // nothing to compute
  switch (op.kind) {
    case BatchLossKind::kSupCon: return DeviceLoss<SupCon>(op, cancel);
    case BatchLossKind::kNtXent: return DeviceLoss<NtXent>(op, cancel);
    case BatchLossKind::kCircle: return DeviceLoss<Circle>(op, cancel);
    case BatchLossKind::kMultiSimilarity: return DeviceLoss<MultiSimilarity>(op, cancel);
    case BatchLossKind::kContrastive: return DeviceLoss<BatchContrastive>(op, cancel);
    case BatchLossKind::kNca: return DeviceLoss<Nca>(op, cancel);
    case BatchLossKind::kLiftedStructure: return DeviceLoss<LiftedStructure>(op, cancel);
    case BatchLossKind::kIntraPairVariance: return DeviceLoss<IntraPairVariance>(op, cancel);
    case BatchLossKind::kTcm: return DeviceLoss<Tcm>(op, cancel);
    case BatchLossKind::kRankedList: return DeviceLoss<RankedList>(op, cancel);
    case BatchLossKind::kMargin: return DeviceLoss<BatchMargin>(op, cancel);
    case BatchLossKind::kPnp: return DeviceLoss<Pnp>(op, cancel);
    case BatchLossKind::kTupletMargin: return DeviceLoss<TupletMargin>(op, cancel);
    case BatchLossKind::kFastAp: return DeviceLoss<FastAp>(op, cancel);
    case BatchLossKind::kHistogram: return DeviceLoss<Histogram>(op, cancel);
    case BatchLossKind::kAngular: return AngularLoss(op, cancel);
    default: return Status::kAborted;
  }
}

}  // namespace cuda
}  // namespace hypersphere
