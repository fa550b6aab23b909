#include "histogram.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status HistogramLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<Histogram>(op, cancel); }

}  // namespace hypersphere
