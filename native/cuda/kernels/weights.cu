// Rows of class weights around the products of a head, a group of sixteen threads to a row: the CPU's kernels themselves. Beside them what the CPU
// does in passing: blocks' gradients of x added up in their order, and what single margins put into columns and rows.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/weights.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

HYPERSPHERE_KERNEL void unit_scales(const float* rows, size_t count, size_t d, float* scales) {
  const size_t i = GroupRow();
  if (i < count) UnitScales(rows + i * d, 1, d, scales + i);
}

HYPERSPHERE_KERNEL void through_unit_rows(const UnitRows all) {
  const size_t i = GroupRow();
  if (i < all.count) ThroughUnitRows({all.rows + i * all.d, all.scales + i, all.gradients + i * all.d, 1, all.d});
}

// `count` elements as rows of d.
HYPERSPHERE_KERNEL void update_weights(const UpdateBlock all, size_t d) {
  const size_t at = GroupRow() * d;
  if (at >= all.count) return;
  UpdateBlock row = all;
  row.weights += at;
  if (row.state != nullptr) row.state += at;
  row.gradients += at;
  row.count = Least(d, all.count - at);
  UpdateWeights(row);
}

// total, which is nothing yet where `first`, plus the parts of `count` elements in their order.
HYPERSPHERE_KERNEL void add_parts(const float* parts, size_t count, size_t number, bool first, float* total) {
  const size_t j = ThreadRow();
  if (j >= count) return;
  float sum = first ? parts[j] : total[j] + parts[j];
  for (size_t p = 1; p < number; p++) sum += parts[p * count + j];
  total[j] = sum;
}

// The targets' columns of gradients [rows, classes], for what the layer of A-Softmax's authors multiplies x by.
HYPERSPHERE_KERNEL void place_caffe_targets(const int32_t* labels, const float* columns, const float* scales, size_t rows, int32_t first_class, size_t classes,
                                            float* gradients) {
  const size_t i = ThreadRow();
  if (i >= rows || labels[i] < first_class) return;
  const size_t c = static_cast<size_t>(labels[i] - first_class);
  if (c < classes) gradients[i * classes + c] = columns[i] * scales[c];
}

HYPERSPHERE_KERNEL void drop_scales(const float* scales, size_t count, size_t d, float* gradients) {
  const size_t i = GroupRow();
  for (size_t j = OwnFirst(); i < count && j < d; j += kOwnStep) gradients[i * d + j] /= scales[i];
}

// What L-Softmax adds to a target's row along the row itself, in order of the batch: a thread has a column.
HYPERSPHERE_KERNEL void add_along_weights(const float* weights, const int32_t* labels, const float* along, size_t n, size_t d, int32_t first_class,
                                          size_t classes, float* gradients) {
  const size_t j = ThreadRow();
  for (size_t i = 0; j < d && i < n; i++) {
    const size_t c = static_cast<size_t>(labels[i] - first_class);
    if (labels[i] >= first_class && c < classes) gradients[c * d + j] += along[i] * weights[c * d + j];
  }
}
