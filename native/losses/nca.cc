#include "nca.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status NcaLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<Nca>(op, cancel); }

}  // namespace hypersphere
