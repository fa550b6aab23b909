#include "intra_pair_variance.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status IntraPairVarianceLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<IntraPairVariance>(op, cancel); }

}  // namespace hypersphere
