#include "multi_similarity.h"

#include "../ops/row_sweep.h"

namespace hypersphere {

Status MultiSimilarityLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept { return SweptLoss<MultiSimilarity>(op, cancel); }

}  // namespace hypersphere
