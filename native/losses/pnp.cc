#include "pnp.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status PnpLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<Pnp>(op, cancel); }

}  // namespace hypersphere
