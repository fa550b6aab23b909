// The form of the batch triplet loss that is an op of its own.
#pragma once

#include <atomic>

#include "../../api.h"

namespace hypersphere {
namespace cuda {

// With `swap`, rows and at least one other column.
Status SwappedBatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept;

}  // namespace cuda
}  // namespace hypersphere
