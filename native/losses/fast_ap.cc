#include "fast_ap.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status FastApLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<FastAp>(op, cancel); }

}  // namespace hypersphere
