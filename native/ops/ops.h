// The operations, free of Node. Each returns kOutOfMemory before it has written anything, or kAborted (outputs then hold
// anything) soon after `cancel`, which may be null, is set: it is read between blocks.
#pragma once

#include <atomic>

#include "../api.h"

namespace hypersphere {

Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept;
Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept;
Status DistancesGradient(const DistancesGradientOp& op, const std::atomic<bool>* cancel) noexcept;
Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept;

}  // namespace hypersphere
