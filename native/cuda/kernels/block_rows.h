// Which column a row of a block of pairs is.
#pragma once

#include "../device.h"
#include "../pair_args.h"

namespace hypersphere {
namespace {

HYPERSPHERE_DEVICE size_t ColumnOf(const PairBlock& block, size_t at) {
  return block.listed == nullptr ? block.first + at : static_cast<size_t>(block.listed[at]);
}

}  // namespace
}  // namespace hypersphere
