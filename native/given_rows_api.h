// The part of api.h on losses of rows whose partners are given: centers, the other row of a pair, the other two of a triplet.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hypersphere {

// loss = scale·Σ‖x_i − c_{y_i}‖². Labels lie in [0, classes): the caller has checked its own copy of them.
struct CenterLossOp {
  const float* x;
  const int32_t* labels;
  const float* centers;
  float* per_example;    // [n], unscaled
  float* grad_x;         // [n, d] or null
  float* grad_centers;   // [classes, d] or null
  double* loss;
  size_t n, d, classes;
  double scale;
};

// c_j ← c_j − α·Σ_{y_i = j}(c_j − x_i) / (1 + n_j), in place, from the centers as they were.
struct UpdateCentersOp {
  const float* x;
  const int32_t* labels;
  float* centers;
  size_t n, d, classes;
  double alpha;
};

// Rows of the batch against their centers.
struct CenterRows {
  const float* x;
  const int32_t* labels;
  const float* centers;
  double* squares;
  float* per_example;
  float* grad_x;  // or null
  size_t rows, d;
  double factor;  // grad_x = factor·(x − c)
};

// s = Σ(center − x_i) over the listed rows, in their order, for `cols` columns; out = factor·s, or center − factor·s.
struct CenterSum {
  const float* x;
  const size_t* rows;
  size_t count;
  size_t stride, cols;
  const float* center;
  float* out;  // may be the center itself
  float factor;
  bool from_center;
};

// Pairs of rows [rows, d]: ½d² where same_i is 1, else ½[margin − d]₊². Gradients, times `scale`, are null where not wanted.
struct PairRows {
  const float* x1;
  const float* x2;
  const int32_t* same;
  double* values;      // the terms, which `per_example` has in float32
  float* per_example;
  float* grad_x1;
  float* grad_x2;
  size_t rows, d;
  double margin, scale;
};

// Triplets of rows [rows, d]: [d(a, p) − d(a, n) + margin]₊, of squared distances or, with `root`, of ‖u − v + eps‖_p. With `swap` d(p, n)
// stands for d(a, n) where it is less.
struct TripletRows {
  const float* anchor;
  const float* positive;
  const float* negative;
  double* values;
  float* per_example;
  float* grad_anchor;
  float* grad_positive;
  float* grad_negative;
  size_t rows, d;
  double margin, p, eps, scale;
  bool root, swap;
};

// The sum of all rows' terms, times their scale. `rows.values` is the op's own.
struct ContrastiveOp {
  PairRows rows;
  double* loss;
};
struct TripletOp {
  TripletRows rows;
  double* loss;
};

// What a level offers for them: kernels/centers.h and kernels/given_rows.h.
struct GivenRows {
  void (*centers)(const CenterRows& block);
  void (*center_sum)(const CenterSum& sum);
  void (*pairs)(const PairRows& block);
  void (*triplets)(const TripletRows& block);  // p is 2 and eps 0 or a float32
};

}  // namespace hypersphere
