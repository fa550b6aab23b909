// The operations on the device, with the bits of native/ops on a CPU with fused multiply-add. Pointers are the host's, as there. Beside what
// those return: kNoDevice, which may leave results written in part, and kDeviceOutOfMemory before anything is written; context.h keeps the details.
#pragma once

#include <atomic>

#include "../../api.h"

namespace hypersphere {
namespace cuda {

Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept;
Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept;
Status DistancesGradient(const DistancesGradientOp& op, const std::atomic<bool>* cancel) noexcept;
// `packed` and `quantized` are the CPU's and null.
Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept;
Status Normalize(const NormalizeOp& op, const std::atomic<bool>* cancel) noexcept;
Status NormalizeGradient(const NormalizeGradientOp& op, const std::atomic<bool>* cancel) noexcept;
Status CenterLoss(const CenterLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status UpdateCenters(const UpdateCentersOp& op, const std::atomic<bool>* cancel) noexcept;
Status Contrastive(const ContrastiveOp& op, const std::atomic<bool>* cancel) noexcept;
// With p = 2 and an eps that is 0 or a float32.
Status Triplet(const TripletOp& op, const std::atomic<bool>* cancel) noexcept;
Status BatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept;
Status ProxyAnchor(const ProxyAnchorOp& op, const std::atomic<bool>* cancel) noexcept;
// By blocks of no more than so many proxies, of which the bits know nothing.
Status ProxyAnchorByBlocks(const ProxyAnchorOp& op, size_t most, const std::atomic<bool>* cancel) noexcept;
Status BatchLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) noexcept;
Status Softmax(const SoftmaxOp& op, const std::atomic<bool>* cancel) noexcept;
Status CrossEntropy(const CrossEntropyOp& op, const std::atomic<bool>* cancel) noexcept;
Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept;

// With products on tensor cores where the device has them (fast.h has the error). Neighbours are the same in all bits.
namespace fast {
Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept;
Status Distances(const DistancesOp& op, const std::atomic<bool>* cancel) noexcept;
Status Nearest(const NearestOp& op, const std::atomic<bool>* cancel) noexcept;
Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept;
}  // namespace fast

}  // namespace cuda
}  // namespace hypersphere
