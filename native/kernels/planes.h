// The columns of a row as k planes, the r-th column of every class side by side, so that a vector holds as many classes. On a CPU they are laid
// out so; on a GPU a thread has a class and finds its columns where they lie, side by side in one line of cache, and a copy of the row would
// not fit the shared memory.
#pragma once

#include "../simd/math.h"
#include "rows.h"

namespace hypersphere {
namespace {

HYPERSPHERE_INLINE size_t WholeLanes(size_t count) { return (count + kVirtualLanes - 1) / kVirtualLanes * kVirtualLanes; }

// At(r, c): the columns r of the classes from c on, 0 past the last. Put may overwrite what At no longer needs: every element is its thread's own.
#if defined(HYPERSPHERE_LEVEL_CUDA)
struct Planes {
  const float* columns;
  size_t k, classes, stride;

  HYPERSPHERE_INLINE Planes(const float* columns_, size_t k_, size_t classes_) : columns(columns_), k(k_), classes(classes_), stride(WholeLanes(classes_)) {}

  HYPERSPHERE_INLINE V At(size_t r, size_t c) const {
    c += Lane();
    return c < classes ? columns[c * k + r] : 0;
  }
  HYPERSPHERE_INLINE void Put(V v, size_t r, size_t c, float* to) const {
    c += Lane();
    if (c < classes) to[c * k + r] = v;
  }
  HYPERSPHERE_INLINE void Interleave(float*) const {}
};
#else
struct Planes {
  alignas(64) float values[kSoftmaxCols * kVirtualLanes];  // the most there are, with k = kSoftmaxCols
  size_t k, classes, stride;

  Planes(const float* columns, size_t k_, size_t classes_) : k(k_), classes(classes_), stride(WholeLanes(classes_)) {
    for (size_t r = 0; r < k; r++) {
      float* plane = values + r * stride;
      for (size_t c = 0; c < classes; c++) plane[c] = columns[c * k + r];
      for (size_t c = classes; c < stride; c++) plane[c] = 0;
    }
  }

  V At(size_t r, size_t c) const { return Load(values + r * stride + c); }

  void Put(V v, size_t r, size_t c, float*) { Store(v, values + r * stride + c); }

  void Interleave(float* columns) const {
    for (size_t r = 0; r < k; r++) {
      const float* plane = values + r * stride;
      for (size_t c = 0; c < classes; c++) columns[c * k + r] = plane[c];
    }
  }
};
#endif

}  // namespace
}  // namespace hypersphere
