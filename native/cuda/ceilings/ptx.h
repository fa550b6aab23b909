#pragma once

#include <string>

namespace hypersphere {
namespace cuda {

// Generated from ceilings.cu by scripts/build-ptx.mjs.
std::string CeilingsPtx();

}  // namespace cuda
}  // namespace hypersphere
