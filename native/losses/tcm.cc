#include "tcm.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status TcmLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<Tcm>(op, cancel); }

}  // namespace hypersphere
