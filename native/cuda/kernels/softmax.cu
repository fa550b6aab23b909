// The softmax of a head or of given logits, a group of sixteen threads to a row: the CPU's kernels themselves, with the row in shared memory.
// Fused, beside what they fuse: the forward pass takes a row through all chunks of a block, and its state stays in registers.
#include "../args.h"
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/softmax.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

template <class T>
HYPERSPHERE_DEVICE T* Moved(T* p, size_t by) {
  return p == nullptr ? nullptr : p + by;
}

HYPERSPHERE_DEVICE size_t ClassesOf(const SoftmaxRun& run) { return run.all.cols / run.all.rule.k; }

// One row of one chunk.
HYPERSPHERE_DEVICE SoftmaxBlock ChunkOf(const SoftmaxRun& run, size_t row, size_t chunk) {
  SoftmaxBlock block = run.all;
  const size_t k = block.rule.k, first = chunk * run.chunk_classes, at = row * block.stride + first * k;
  block.rows = 1;
  block.cols = Least(run.chunk_classes, ClassesOf(run) - first) * k;
  block.logits += at;
  block.gradients = Moved(block.gradients, at);
  block.labels += row;
  block.first_class += static_cast<int32_t>(first);
  block.thresholds = Moved(block.thresholds, row);
  block.class_weights = Moved(block.class_weights, first);
  block.out = Moved(block.out, row * block.out_stride + first);
  block.references = Moved(block.references, row);
  block.factors = Moved(block.factors, row);
  block.shares = Moved(block.shares, row);
  block.target_gradients = Moved(block.target_gradients, row);
  block.target_columns = Moved(block.target_columns, row * k);
  block.col_scales = Moved(block.col_scales, first * k);
  block.bias_sums = Moved(block.bias_sums, row * ClassesOf(run) + first);
  return block;
}

HYPERSPHERE_DEVICE size_t ChunksOf(const SoftmaxRun& run) { return (ClassesOf(run) + run.chunk_classes - 1) / run.chunk_classes; }

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

// states: [blocks, rows].
HYPERSPHERE_KERNEL_BLOCKS(2) void softmax_forward(const SoftmaxRun run) {
  const size_t index = GroupRow(), row = index % run.all.rows, first = index / run.all.rows * run.block_chunks, chunks = ChunksOf(run);
  if (first >= chunks) return;
  SoftmaxState state{-kInf, 0, 0, 0};
  for (size_t c = first; c < Least(first + run.block_chunks, chunks); c++) {
    SoftmaxBlock block = ChunkOf(run, row, c);
    block.states = &state;
    SoftmaxForward(block);
  }
  if (FirstLane()) run.all.states[index] = state;
}

HYPERSPHERE_KERNEL void softmax_backward(const SoftmaxRun run) {
  const size_t row = GroupRow() % run.all.rows, chunk = GroupRow() / run.all.rows;
  if (chunk >= ChunksOf(run)) return;
  const SoftmaxBlock block = ChunkOf(run, row, chunk);
  for (size_t c = OwnFirst(); block.bias_sums != nullptr && c < block.cols / block.rule.k; c += kOwnStep) block.bias_sums[c] = 0;
  SoftmaxBackward(block);
}

HYPERSPHERE_KERNEL void softmax_rows(const SoftmaxOp op) {
  const size_t i = GroupRow(), at = i * op.classes;
  if (i < op.n) SoftmaxRows({op.logits + at, Moved(op.grad_output, at), op.out + at, 1, op.classes, op.temperature});
}

// Over the rows, in their order.
HYPERSPHERE_KERNEL void class_sums(const float* gradients, size_t rows, size_t classes, float* sums) {
  const size_t c = ThreadRow();
  if (c >= classes) return;
  float sum = 0;
  for (size_t i = 0; i < rows; i++) sum += gradients[i * classes + c];
  sums[c] = sum;
}
