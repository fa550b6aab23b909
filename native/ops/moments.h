// The moments of rows, for the metrics that need them of every row.
#pragma once

#include "blocks.h"
#include "workspace.h"

namespace hypersphere {

struct MomentRows {
  const float* data;
  size_t rows, d;
  bool about_mean;
};

inline Status AllMoments(const KernelTable& kernels, const MomentRows& of, Moments* moments, const std::atomic<bool>* cancel, int threads) {
  constexpr size_t kRows = 64;
  const auto some = [&](size_t block, int) {
    const size_t first = block * kRows;
    kernels.row_moments(of.data + first * of.d, Least(kRows, of.rows - first), of.d, of.about_mean, moments + first);
  };
  return ParallelFor(DivideUp(of.rows, kRows), some, cancel, threads);
}

// Those of both sides of an op on pairs, in scratch memory of their own.
class PairMoments {
 public:
  // kOutOfMemory before anything is computed. Where they are not wanted, nothing is.
  template <class Op>
  Status Take(const KernelTable& kernels, const Op& op, bool wanted, bool about_mean, const std::atomic<bool>* cancel, int threads) {
    const size_t x_place = space_.Add<Moments>(wanted ? op.n : 0), y_place = space_.Add<Moments>(wanted ? op.m : 0);
    if (!space_.Allocate()) return Status::kOutOfMemory;
    x = space_.At<Moments>(x_place);
    y = space_.At<Moments>(y_place);
    if (!wanted) return Status::kOk;
    const Status status = AllMoments(kernels, {op.x, op.n, op.d, about_mean}, x, cancel, threads);
    return status == Status::kOk ? AllMoments(kernels, {op.y, op.m, op.d, about_mean}, y, cancel, threads) : status;
  }

  Moments *x = nullptr, *y = nullptr;

 private:
  Workspace space_;
};

}  // namespace hypersphere
