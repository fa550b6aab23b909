// Pairs and triplets of given rows, a group of sixteen threads to a row: the CPU's kernels themselves. Memory is the limit.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/given_rows.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

HYPERSPHERE_KERNEL void contrastive_rows(PairRows row) {
  const size_t i = GroupRow(), at = i * row.d;
  if (i >= row.rows) return;
  row.x1 += at;
  row.x2 += at;
  row.same += i;
  row.values += i;
  row.per_example += i;
  row.grad_x1 = row.grad_x1 == nullptr ? nullptr : row.grad_x1 + at;
  row.grad_x2 = row.grad_x2 == nullptr ? nullptr : row.grad_x2 + at;
  row.rows = 1;
  ContrastiveRows(row);
}

HYPERSPHERE_KERNEL void triplet_rows(TripletRows row) {
  const size_t i = GroupRow(), at = i * row.d;
  if (i >= row.rows) return;
  row.anchor += at;
  row.positive += at;
  row.negative += at;
  row.values += i;
  row.per_example += i;
  row.grad_anchor = row.grad_anchor == nullptr ? nullptr : row.grad_anchor + at;
  row.grad_positive = row.grad_positive == nullptr ? nullptr : row.grad_positive + at;
  row.grad_negative = row.grad_negative == nullptr ? nullptr : row.grad_negative + at;
  row.rows = 1;
  TripletLossRows(row);
}
