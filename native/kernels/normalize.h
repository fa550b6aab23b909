// Rows over their length. Fused: a row's sums and what is made of them, so that the second pass finds the row in the first
// level of cache and memory is read once and written once. Only the sums' lanes stay in registers: the op is bound by memory,
// and true division and root cost nothing beside it. A row whose squares could have overflowed or vanished in float32, or
// that is no longer than eps, is done in float64.
#pragma once

#include "rows.h"

namespace hypersphere {
namespace {

__attribute__((noinline)) void WideNormalizeRow(const float* x, size_t d, double eps, float* out) {
  const double norm = __builtin_sqrt(WideDot(x, x, d));
  const double length = norm < eps ? eps : norm;  // NaN stays
  for (size_t k = 0; k < d; k++) {
    if (OwnLane(k)) out[k] = static_cast<float>(static_cast<double>(x[k]) / length);
  }
}

HYPERSPHERE_HOST_DEVICE void NormalizeRows(const NormalizeOp& op) {
  const size_t d = op.d;
  for (size_t i = 0; i < op.n; i++) {
    const float* x = op.x + i * d;
    float* out = op.out + i * d;
    float square[1];
    RowSums(d, [=](size_t k, size_t n, V(&sum)[1]) {
      const V a = LoadUpTo(x + k, n);
      sum[0] = Fma(a, a, sum[0]);
    }, square);
    const float norm = __builtin_sqrtf(square[0]);
    if (SafeSquare(square[0]) && static_cast<double>(norm) > op.eps) {
      AlongRow(d, [=](size_t k, size_t n) { StoreUpTo(LoadUpTo(x + k, n) / Set(norm), out + k, n); });
    } else {
      WideNormalizeRow(x, d, op.eps, out);
    }
  }
}

// Up to eps the divisor is a constant and only the plain part remains; a row of zeros has gradient 0.
__attribute__((noinline)) void WideNormalizeGradientRow(const float* x, const float* g, size_t d, double eps, float* out) {
  const double norm = __builtin_sqrt(WideDot(x, x, d));
  const double radial = norm > eps ? WideDot(x, g, d) / norm : 0;
  const double length = norm < eps ? eps : norm;
  for (size_t k = 0; k < d; k++) {
    if (!OwnLane(k)) continue;
    const double tangent = static_cast<double>(g[k]) - radial * (static_cast<double>(x[k]) / norm);
    out[k] = norm > 0 ? static_cast<float>(tangent / length) : 0;
  }
}

HYPERSPHERE_HOST_DEVICE void NormalizeGradientRows(const NormalizeGradientOp& op) {
  const size_t d = op.d;
  for (size_t i = 0; i < op.n; i++) {
    const float* x = op.x + i * d;
    const float* g = op.grad_output + i * d;
    float* out = op.grad_x + i * d;
    float sums[3];  // ‖x‖², x·g, ‖g‖²: where both squares are safe, so is the product
    RowSums(d, [=](size_t k, size_t n, V(&sum)[3]) {
      const V a = LoadUpTo(x + k, n), b = LoadUpTo(g + k, n);
      sum[0] = Fma(a, a, sum[0]);
      sum[1] = Fma(a, b, sum[1]);
      sum[2] = Fma(b, b, sum[2]);
    }, sums);
    const float norm = __builtin_sqrtf(sums[0]);
    if (SafeSquare(sums[0]) && SafeSquare(sums[2]) && static_cast<double>(norm) > op.eps) {
      const float radial = sums[1] / sums[0];
      AlongRow(d, [=](size_t k, size_t n) {
        StoreUpTo(Fma(Set(-radial), LoadUpTo(x + k, n), LoadUpTo(g + k, n)) / Set(norm), out + k, n);
      });
    } else {
      WideNormalizeGradientRow(x, g, d, op.eps, out);
    }
  }
}

}  // namespace
}  // namespace hypersphere
