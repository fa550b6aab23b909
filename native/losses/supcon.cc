#include "supcon.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status SupConLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<SupCon>(op, cancel); }

}  // namespace hypersphere
