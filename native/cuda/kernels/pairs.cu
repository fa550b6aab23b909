// The gradient over pairs of a batch around the products that the engine has: rows without their mean, weights of coefficients, the near pairs
// that go from differences, and what a row weighs by itself. A group of sixteen threads has a row or an anchor, a thread a column. Weights are
// made by the CPU's kernel itself. Fused with it: the pairs' marks and the anchor's sum, while a weight is in a register.
#include "../device.h"
#include "block_rows.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/row_terms.h"
#include "../../ops/pair_weights.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

// Of the batch's rows, in their order.
HYPERSPHERE_KERNEL void column_means(const float* x, size_t n, size_t d, float* means) {
  const size_t k = ThreadRow();
  if (k >= d) return;
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += static_cast<double>(Finite(x[i * d + k]));
  means[k] = static_cast<float>(sum / static_cast<double>(n));
}

// Less the columns' means, or less the rows' own.
HYPERSPHERE_KERNEL void center_pairs(const float* x, size_t rows, size_t d, const float* means, const Moments* moments, float* centered) {
  const size_t i = GroupRow();
  for (size_t k = OwnFirst(); i < rows && k < d; k += kOwnStep) {
    const float value = x[i * d + k];
    centered[i * d + k] = Finite(moments == nullptr ? value - means[k] : static_cast<float>(static_cast<double>(value) - moments[i].mean));
  }
}

HYPERSPHERE_KERNEL void centered_norms(const float* centered, size_t rows, size_t d, float* norms) {
  const size_t i = ThreadRow();
  if (i < rows) norms[i] = SquareOfCentered(centered + i * d, d);
}

HYPERSPHERE_KERNEL void clear_floats(float* values, size_t count) {
  const size_t i = ThreadRow();
  if (i < count) values[i] = 0;
}

HYPERSPHERE_KERNEL void clear_doubles(double* values, size_t count) {
  const size_t i = ThreadRow();
  if (i < count) values[i] = 0;
}

HYPERSPHERE_KERNEL void weigh_pairs(const PairBlock block, const GradientSums to) {
  const size_t at = GroupRow();
  if (at >= block.count) return;
  const size_t column = ColumnOf(block, at);
  float* const distances = block.distances + at * block.columns;
  float* const weights = block.weights + at * block.columns;
  uint64_t* const marks = to.marks + at * to.words;
  for (size_t word = OwnFirst(); word < to.words; word += kOwnStep) marks[word] = 0;
  GroupFence();
  double own = 0;
  for (size_t first = 0; to.moments != nullptr && first < block.columns; first += kLanes) {
    const size_t j = first + Lane();
    own = AddInOrder(own, j < block.columns ? ThroughSignal(to.moments[column].spread, distances[j], weights[j]) : 0);
  }
  const double sum = WeighRow({distances, to.norms, weights, marks, block.columns, to.norms[column], block.metric == Metric::kEuclidean});
  GroupFence();
  bool any = false;
  for (size_t word = OwnFirst(); word < to.words; word += kOwnStep) any = any || marks[word] != 0;
  any = AnyOfLanes(any);
  if (!FirstLane()) return;
  to.marked[at] = any;
  if (column < block.n) to.row_sums[column] += own + sum;
}

// A row of the batch takes its part of every marked pair, in the order of the anchors and then of the columns.
HYPERSPHERE_KERNEL_BLOCKS(1) void add_marked(const PairBlock block, const GradientSums to) {
  const size_t row = GroupRow(), d = block.d;
  if (row >= block.n) return;
  const bool dots = block.metric == Metric::kCosineSimilarity;
  const float* const x = block.metric == Metric::kSnr ? to.centered : block.rows;
  float* const sums = to.sums + row * d;
  const auto add = [=](float weight, size_t other) {
    for (size_t k = OwnFirst(); k < d; k += kOwnStep) sums[k] += weight * (dots ? x[other * d + k] : x[other * d + k] - x[row * d + k]);
  };
  for (size_t from = 0; from < block.count; from += kLanes) {
    const size_t mine = from + Lane();
    const bool has = mine < block.count && to.marked[mine] != 0 &&
                     (ColumnOf(block, mine) == row || (to.marks[mine * to.words + row / 64] >> (row % 64) & 1) != 0);
    for (uint32_t anchors = Ballot(GroupMask(), has) >> (threadIdx.x & 16) & 0xffff; anchors != 0; anchors &= anchors - 1) {
      const size_t at = from + LowestBit(anchors);
      const float* const weights = block.weights + at * block.columns;
      if (ColumnOf(block, at) != row) {
        add(weights[row], ColumnOf(block, at));
        continue;
      }
      for (size_t word = 0; word < to.words; word++) {
        for (uint64_t bits = to.marks[at * to.words + word]; bits != 0; bits &= bits - 1) {
          const size_t other = word * 64 + LowestBit(bits);
          add(weights[other], other);
          if (other == row) add(weights[other], other);  // both sides of the pair
        }
      }
    }
  }
}

// Takes the marked weights out, and adds up those of each row of the batch.
HYPERSPHERE_KERNEL void leave_unmarked(const PairBlock block, const GradientSums to) {
  const size_t j = ThreadRow();
  if (j >= block.columns) return;
  double sum = j < block.n ? to.col_sums[j] : 0;
  for (size_t at = 0; at < block.count; at++) {
    float& weight = block.weights[at * block.columns + j];
    if ((to.marks[at * to.words + j / 64] >> (j % 64) & 1) != 0) weight = 0;
    sum += static_cast<double>(weight);
  }
  if (j < block.n) to.col_sums[j] = sum;
}

HYPERSPHERE_KERNEL void finish_pairs(const GradientSums from, size_t n, size_t d, double scale, float* out) {
  const size_t i = GroupRow();
  if (i >= n) return;
  const bool differences = from.norms != nullptr;
  const double diagonal = differences ? from.row_sums[i] + from.col_sums[i] : 0;
  for (size_t k = OwnFirst(); k < d; k += kOwnStep) {
    const size_t at = i * d + k;
    out[at] = PairGradientOf(scale, diagonal, differences ? from.centered[at] : 0, from.sums[at]);
  }
}
