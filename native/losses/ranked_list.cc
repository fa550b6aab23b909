#include "ranked_list.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status RankedListLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<RankedList>(op, cancel); }

}  // namespace hypersphere
