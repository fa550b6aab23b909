// Launches of the engine (kernels/product.h) on what lies on the device already.
#pragma once

#include "../args.h"
#include "../context.h"

namespace hypersphere {
namespace cuda {

// On tensor cores where the call may. With parts: as many as the depth has runs of `depth_of_part`.
inline void LaunchProduct(Call& call, const ProductArgs& args) {
  const size_t across = (args.cols + kTileSide - 1) / kTileSide, down = (args.rows + kTileSide - 1) / kTileSide;
  const size_t parts = args.depth_of_part == 0 ? 1 : (args.depth + args.depth_of_part - 1) / args.depth_of_part;
  if (across * down > 0) call.Launch(call.Fast() ? Kernel::k_fast_multiply : Kernel::k_multiply, {across * down, parts == 0 ? 1 : parts}, args);
}

// Onto the sums that lie in `out`.
inline void LaunchProductOnto(Call& call, const ProductArgs& args) {
  const size_t across = (args.cols + kTileSide - 1) / kTileSide, down = (args.rows + kTileSide - 1) / kTileSide;
  if (across * down > 0) call.Launch(Kernel::k_multiply_onto, {across * down}, args);
}

// Rows on the device and, as far as the metric wants them, their norms or moments.
struct Side {
  const float* rows;
  size_t count, d;
  float* norms;
  Moments* moments;
};
Side AllocateSide(Call& call, const float* rows, size_t count, size_t d, Metric metric);
void LaunchNorms(Call& call, const Side& side, Metric metric);
// Where the tiles of n rows against m mark the pairs that a kernel of their own computes again.
uint64_t* AllocateMarks(Call& call, size_t n, size_t m, Metric metric);
// To out [x.count, y.count]. With `zero_diagonal` row i of x is row first_row + i of y. `fast` only in a fast call.
void LaunchDistances(Call& call, const Side& x, const Side& y, Metric metric, float* out, bool zero_diagonal, uint64_t* marks, bool fast = false,
                     size_t first_row = 0);

constexpr bool OfProduct(Metric metric) { return metric != Metric::kManhattan && metric != Metric::kSnr; }
size_t TilesOf(size_t n, size_t m);
// In a fast call, by a metric of products: the bits of LaunchDistances for whatever may rank before its row's bound (kernels/select.cu), and NaN
// or those bits for the rest. `counts`: as many as there are tiles, of those that had to be computed.
void LaunchCandidates(Call& call, const Side& x, const Side& y, Metric metric, const uint64_t* bounds, float* out, uint64_t* marks, uint32_t* counts);

inline void LaunchLogits(Call& call, const LogitsArgs& args) {
  const size_t across = (args.product.cols + kTileSide - 1) / kTileSide, down = (args.product.rows + kTileSide - 1) / kTileSide;
  if (across * down > 0) call.Launch(call.Fast() ? Kernel::k_fast_multiply_to_logits : Kernel::k_multiply_to_logits, {across * down}, args);
}

// Distances of all rows of x [n, d] and y [m, d] to out [n, m].
void LaunchDistances(Call& call, const DistancesOp& op, bool self);

}  // namespace cuda
}  // namespace hypersphere
