#include "contrastive.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status BatchContrastiveLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<BatchContrastive>(op, cancel); }

}  // namespace hypersphere
