// The triplet loss by any norm, in double: p-th powers are bound by arithmetic that no vector of float32 does well, and seldom asked for.
#pragma once

#include "../api.h"

namespace hypersphere {

// As GivenRows::triplets, for any p and eps; `root` is set.
void TripletPowerRows(const TripletRows& block);

}  // namespace hypersphere
