// The operations, free of Node. Each returns kOutOfMemory before it has written anything, or kAborted (outputs then hold
// anything) soon after `cancel`, which may be null, is set: it is read between blocks.
#pragma once

#include <atomic>

#include "../api.h"

namespace hypersphere {

Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept;
Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept;
Status DistancesGradient(const DistancesGradientOp& op, const std::atomic<bool>* cancel) noexcept;
Status Normalize(const NormalizeOp& op, const std::atomic<bool>* cancel) noexcept;
Status NormalizeGradient(const NormalizeGradientOp& op, const std::atomic<bool>* cancel) noexcept;
Status CenterLoss(const CenterLossOp& op, const std::atomic<bool>* cancel) noexcept;
// Honours `cancel` before its first write only: centers are never left half moved.
Status UpdateCenters(const UpdateCentersOp& op, const std::atomic<bool>* cancel) noexcept;
Status Contrastive(const ContrastiveOp& op, const std::atomic<bool>* cancel) noexcept;
Status Triplet(const TripletOp& op, const std::atomic<bool>* cancel) noexcept;
// With an update, like UpdateCenters; until then also kAborted leaves the weights as they were.
Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept;
Status Hardmax(const HardmaxOp& op, const std::atomic<bool>* cancel) noexcept;
Status HardmaxLoss(const HardmaxLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status Softmax(const SoftmaxOp& op, const std::atomic<bool>* cancel) noexcept;
Status CrossEntropy(const CrossEntropyOp& op, const std::atomic<bool>* cancel) noexcept;
// Every loss of row_sweep.h.
Status BatchLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status ProxyAnchor(const ProxyAnchorOp& op, const std::atomic<bool>* cancel) noexcept;
Status BatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept;
// The form with `swap`, for batches of two rows or more: BatchTriplet dispatches.
Status SwappedBatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept;
Status RelevantRanks(const RanksOp& op, const std::atomic<bool>* cancel) noexcept;
Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept;

}  // namespace hypersphere
