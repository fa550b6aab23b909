// Passes over rows, a group of sixteen threads to a row: each reads the row once, coalesced, and keeps its sums in registers. They are the
// CPU's row kernels themselves. Squared norms for the products are taken in the order of a dot, by one thread a row.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/distance_values.h"
#include "../../kernels/normalize.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

HYPERSPHERE_KERNEL void square_norms(const float* x, size_t n, size_t d, bool inverse, float* norms) {
  const size_t i = ThreadRow();
  if (i >= n) return;
  float sum = 0;
  for (size_t k = 0; k < d; k++) sum = __builtin_fmaf(x[i * d + k], x[i * d + k], sum);
  norms[i] = sum;
  if (inverse) InvertNorms(norms + i, 1);
}

HYPERSPHERE_KERNEL void moments(const float* x, size_t n, size_t d, bool about_mean, Moments* out) {
  const size_t i = ThreadRow();
  if (i < n) RowMoments(x + i * d, 1, d, about_mean, out + i);
}

HYPERSPHERE_KERNEL void differences(const DifferenceBlock block, bool zero_diagonal, size_t first_row) {
  const size_t pair = GroupRow();
  if (pair >= block.rows * block.cols) return;
  const size_t row = pair / block.cols, col = pair % block.cols;
  const float* const y[kPairs] = {block.y + col * block.d};
  float value[kPairs];
  if (block.metric == Metric::kManhattan) {
    PairSums(block.x + row * block.d, y, block.d, AbsoluteDifference(), value);
  } else {
    SnrOfRow(block, row, col, y, value);
  }
  if (zero_diagonal && first_row + row == col) value[0] = 0;
  if (FirstLane()) block.out[row * block.out_stride + col] = value[0];
}

HYPERSPHERE_KERNEL void normalize(const NormalizeOp op) {
  const size_t i = GroupRow();
  if (i < op.n) NormalizeRows({op.x + i * op.d, op.out + i * op.d, 1, op.d, op.eps});
}

HYPERSPHERE_KERNEL void normalize_gradient(const NormalizeGradientOp op) {
  const size_t i = GroupRow(), at = i * op.d;
  if (i < op.n) NormalizeGradientRows({op.x + at, op.grad_output + at, op.grad_x + at, 1, op.d, op.eps});
}
