#include "ntxent.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status NtXentLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<NtXent>(op, cancel); }

}  // namespace hypersphere
