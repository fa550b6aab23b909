#include "ops.h"
#include "product.h"

namespace hypersphere {

Status Matmul(const MatmulOp& op, const std::atomic<bool>* cancel) noexcept {
  const Rows left = op.transpose_a ? Rows{op.a, 1, op.rows} : Rows{op.a, op.inner, 1};
  const Rows right = op.transpose_b ? Rows{op.b, op.inner, 1} : Rows{op.b, 1, op.cols};
  return Product({left, right, op.rows, op.cols, op.inner, op.out, nullptr}, cancel);
}

}  // namespace hypersphere
