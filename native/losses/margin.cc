#include "margin.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status MarginLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<BatchMargin>(op, cancel); }

}  // namespace hypersphere
