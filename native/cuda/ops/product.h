// Launches of the engine (kernels/product.h) on what lies on the device already.
#pragma once

#include "../args.h"
#include "../context.h"

namespace hypersphere {
namespace cuda {

// With parts: as many as the depth has runs of `depth_of_part`.
inline void LaunchProduct(Call& call, const ProductArgs& args) {
  const size_t across = (args.cols + kTileSide - 1) / kTileSide, down = (args.rows + kTileSide - 1) / kTileSide;
  const size_t parts = args.depth_of_part == 0 ? 1 : (args.depth + args.depth_of_part - 1) / args.depth_of_part;
  if (across * down > 0) call.Launch(Kernel::k_multiply, {across * down, parts == 0 ? 1 : parts}, args);
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
// To out [x.count, y.count].
void LaunchDistances(Call& call, const Side& x, const Side& y, Metric metric, float* out, bool zero_diagonal);

// Distances of all rows of x [n, d] and y [m, d] to out [n, m].
void LaunchDistances(Call& call, const DistancesOp& op, bool self);

}  // namespace cuda
}  // namespace hypersphere
