#include "lifted_structure.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status LiftedStructureLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<LiftedStructure>(op, cancel); }

}  // namespace hypersphere
