#pragma once

#include <string>

namespace hypersphere {
namespace cuda {

// The kernels for the driver's compiler, generated from kernels/*.cu by scripts/build-ptx.mjs.
std::string Ptx();

}  // namespace cuda
}  // namespace hypersphere
