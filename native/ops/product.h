// Rows against rows, in blocks: what matmul and most distances have in common.
#pragma once

#include <atomic>

#include "../api.h"

namespace hypersphere {

// out [rows, cols] = left·rightᵀ over `depth`. With `distances` its metric is applied to the product, whose sides are then
// distances->x and distances->y.
struct ProductOp {
  Rows left, right;
  size_t rows, cols, depth;
  float* out;
  const DistancesOp* distances;
  bool accumulate = false;  // go on from the sums in `out`; without `distances` only
};

Status Product(ProductOp op, const std::atomic<bool>* cancel) noexcept;

// The same in memory of the caller's, who has already written results and may not fail for want of it: an array of ProductBytes bytes. The
// number of threads and the level may change meanwhile, so the caller says which.
struct ProductSetting {
  int threads;
  const KernelTable& kernels;
};
size_t ProductBytes(const ProductOp& op, const ProductSetting& setting);
Status Product(const ProductOp& op, const ProductSetting& setting, char* scratch, const std::atomic<bool>* cancel) noexcept;

}  // namespace hypersphere
