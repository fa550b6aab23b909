// Elementary functions of one double, from +, −, ×, ÷ and √ alone and without fused multiply-add: the same bits on every
// machine, which no C library promises. For what happens once a row; accurate to a few units in the last place.
#pragma once

#include <stdint.h>

#include "../host_device.h"

namespace hypersphere {
namespace scalar {

constexpr double kPi = 3.14159265358979323846;
constexpr double kInfinity = __builtin_inf();

// 2^n for n in [−1022, 1023].
HYPERSPHERE_HOST_DEVICE inline double PowerOfTwo(int n) {
  const uint64_t bits = static_cast<uint64_t>(n + 1023) << 52;
  double power;
  __builtin_memcpy(&power, &bits, sizeof(power));
  return power;
}

HYPERSPHERE_HOST_DEVICE inline double Round(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

HYPERSPHERE_HOST_DEVICE inline double Exp(double x) {
  if (x != x) return x;
  if (x > 709) return kInfinity;
  if (x < -700) return 0;
  const double n = Round(x * 1.44269504088896340736);
  const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
  constexpr double kInverse[] = {1, 1.0 / 2, 1.0 / 3, 1.0 / 4, 1.0 / 5, 1.0 / 6, 1.0 / 7, 1.0 / 8, 1.0 / 9, 1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13, 1.0 / 14};
  double sum = 1;
  for (int k = 13; k >= 0; k--) sum = 1 + sum * r * kInverse[k];
  return sum * PowerOfTwo(static_cast<int>(n));
}

// NaN below 0.
HYPERSPHERE_HOST_DEVICE inline double Log(double x) {
  if (!(x >= 0)) return __builtin_nan("");
  if (x == 0) return -kInfinity;
  if (x == kInfinity) return x;
  double n = 0;
  if (x < 0x1p-1000) {
    x *= 0x1p100;
    n = -100;
  }
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  n += static_cast<double>(static_cast<int>(bits >> 52) - 1023);
  bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
  double m;
  __builtin_memcpy(&m, &bits, sizeof(m));
  if (m > 1.41421356237309504880) {
    m /= 2;
    n += 1;
  }
  const double s = (m - 1) / (m + 1), z = s * s;  // log m = 2 artanh s
  double sum = 0;
  for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * z;
  return n * 0x1.62e42fee00000p-1 + (n * 0x1.a39ef35793c76p-33 + (2 * s * sum + 2 * s));
}

// log(1 + x) without losing a small x.
HYPERSPHERE_HOST_DEVICE inline double Log1p(double x) {
  const double u = 1 + x;
  if (u == 1 || u == kInfinity) return x;
  return Log(u) + (x - (u - 1)) / u;
}

// For |x| < 2^20 or so; beyond it digits go. From 2^52 on none is left, and any angle is as good as another: 0.
HYPERSPHERE_HOST_DEVICE inline void SinCos(double x, double& sin, double& cos) {
  if (x - x != 0) {
    sin = cos = __builtin_nan("");
    return;
  }
  if (x >= 0x1p52 || x <= -0x1p52) x = 0;
  const double n = Round(x * 0.63661977236758134308);
  double r = x - n * 0x1.921fb54400000p+0;
  r -= n * 0x1.0b4611a626331p-34;
  const double z = r * r;
  double s = 0, c = 0;
  for (int k = 19; k >= 3; k -= 2) s = (s + 1) * (-z / (k * (k - 1)));
  for (int k = 20; k >= 2; k -= 2) c = (c + 1) * (-z / (k * (k - 1)));
  s = r + r * s;
  c = 1 + c;
  const int64_t quarter = static_cast<int64_t>(n) & 3;
  sin = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
  cos = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
}
HYPERSPHERE_HOST_DEVICE inline double Sin(double x) {
  double sin, cos;
  SinCos(x, sin, cos);
  return sin;
}
HYPERSPHERE_HOST_DEVICE inline double Cos(double x) {
  double sin, cos;
  SinCos(x, sin, cos);
  return cos;
}

// arctan t for t ≥ 0, by halving the angle three times before the series.
HYPERSPHERE_HOST_DEVICE inline double Atan(double t) {
  if (t > 1) return kPi / 2 - Atan(1 / t);
  for (int i = 0; i < 3; i++) t = t / (1 + __builtin_sqrt(1 + t * t));
  const double z = t * t;
  double sum = 0;
  for (int k = 17; k >= 3; k -= 2) sum = (sum + 1.0 / k) * -z;
  return 8 * (t + t * sum);
}

// arccos c for c in [−1, 1].
HYPERSPHERE_HOST_DEVICE inline double Acos(double c) { return c == -1 ? kPi : 2 * Atan(__builtin_sqrt((1 - c) / (1 + c))); }

// x^t for x ≥ 0, t > 0.
HYPERSPHERE_HOST_DEVICE inline double Pow(double x, double t) { return x == 0 ? 0 : Exp(t * Log(x)); }

}  // namespace scalar
}  // namespace hypersphere
