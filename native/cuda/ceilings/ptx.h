#pragma once

#include "../packed_text.h"

namespace hypersphere {
namespace cuda {

// Generated from ceilings.cu by scripts/build-ptx.mjs.
extern const PackedText kCeilingsPtx;

}  // namespace cuda
}  // namespace hypersphere
