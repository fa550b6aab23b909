#pragma once

#include <string>

namespace hypersphere {
namespace cuda {

// The kernels for the driver's compiler, generated from kernels/*.cu by scripts/build-ptx.mjs.
std::string Ptx();
// Those for compute capability 8.0 and later (fast_module.cu).
std::string FastPtx();

}  // namespace cuda
}  // namespace hypersphere
