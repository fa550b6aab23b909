#include "tuplet_margin.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status TupletMarginLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<TupletMargin>(op, cancel); }

}  // namespace hypersphere
