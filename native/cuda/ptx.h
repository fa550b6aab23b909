#pragma once

#include "packed_text.h"

namespace hypersphere {
namespace cuda {

// The kernels for the driver's compiler, generated from kernels/*.cu by scripts/build-ptx.mjs.
extern const PackedText kPtx;
// Those for compute capability 8.0 and later (fast_module.cu).
extern const PackedText kFastPtx;

}  // namespace cuda
}  // namespace hypersphere
