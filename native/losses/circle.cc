#include "circle.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status CircleLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<Circle>(op, cancel); }

}  // namespace hypersphere
