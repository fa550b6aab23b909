// How far the fast kernels' products are from the truth: |product − Σab| ≤ FastError(depth)·Σ|a||b|.
//
// A bfloat16 has 8 digits, so rounding to it moves a factor by at most 2⁻⁸ of it, and a product of two by (1 + 2⁻⁸)² − 1 = 2⁻⁷ + 2⁻¹⁶. Of the
// sums PTX promises "at least single precision" and no order; known devices align eight products and the sum so far with the greatest of them and
// truncate. So each of those nine, and the result, may lose one unit of the last of 24 digits, 2⁻²³: 10 for 8 steps, (5/4·depth + 2)·2⁻²³ in all,
// of Σ|âb̂| and what was lost before. (depth + 8)·2⁻²² is above that for every depth up to 2²⁰; rounding in order would lose less.
//
// It holds where no factor rounds to infinity, from 2¹²⁸·(1 − 2⁻⁹) on, nor a sum overflows; numbers below 2⁻¹²⁶ may count as 0, which adds
// at most 2⁻¹²⁶·(Σ|a| + Σ|b| + depth + 8).
#pragma once

#include <stddef.h>

namespace hypersphere {
namespace cuda {

constexpr double FastError(size_t depth) { return 0x1p-7 + 0x1p-16 + (static_cast<double>(depth) + 8) * 0x1p-22; }

}  // namespace cuda
}  // namespace hypersphere
