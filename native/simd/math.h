// Elementary functions of a vector: polynomials on Fma, one source for all levels, so that all of them give the same bits.
// Coefficients are minimax fits made for these intervals; constants stay in registers across a loop that inlines one.
#pragma once

#include "vec.h"

namespace hypersphere {
namespace {

HYPERSPHERE_INLINE V Choose(VI condition, V yes, V no) { return condition ? yes : no; }

// Added and taken away again it rounds to an integer, which meanwhile sits in the low bits.
constexpr float kRounder = 0x1.8p23f;
// 2^−100: less is an exact 0, so that no denormal number reaches a product.
constexpr float kLeastPower = 0x1p-100f;
constexpr float kLogOfLeastPower = -69.31472f;

// e^x for x ≤ 0, to 1.2e-7 of itself; an exact 0 below 2^−100; NaN stays.
HYPERSPHERE_INLINE V ExpOfNegative(V x) {
  const V rounded = Fma(x, Set(0x1.715476p0f), Set(kRounder));
  const V n = rounded - Set(kRounder);
  V r = Fma(n, Set(-0x1.63p-1f), x);
  r = Fma(n, Set(0x1.bd0106p-13f), r);
  V p = Set(0x1.6db4cap-10f);
  p = Fma(p, r, Set(0x1.123bdp-7f));
  p = Fma(p, r, Set(0x1.55545ep-5f));
  p = Fma(p, r, Set(0x1.55548ep-3f));
  p = Fma(p, r, Set(0.5f));
  p = Fma(p, r, Set(1));
  p = Fma(p, r, Set(1));
  const V power = AsFloats(AsBits(p) + (AsBits(rounded) << 23));
  return Choose(x >= Set(kLogOfLeastPower), power, Choose(x < Set(kLogOfLeastPower), Zero(), x));
}

// log x for x > 0 and not denormal; 0 counts as 2^−127.
HYPERSPHERE_INLINE V Log(V x) {
  // m in [√½, √2): the exponent is that of x / √½, rounded down.
  const VI steps = AsIntegers(AsBits(x) - 0x3f3504f3) >> 23;
  const V m = AsFloats(AsBits(x) - (VU(steps) << 23));
  const V n = FromIntegers(steps);
  const V s = (m - Set(1)) / (m + Set(1)), z = s * s;
  V p = Set(2.0f / 9);
  p = Fma(p, z, Set(2.0f / 7));
  p = Fma(p, z, Set(2.0f / 5));
  p = Fma(p, z, Set(2.0f / 3));
  p = Fma(p * z, s, Fma(n, Set(-0x1.bd0106p-13f), s + s));
  return Fma(n, Set(0x1.63p-1f), p);
}

// log(1 + x) for x in [0, 1].
HYPERSPHERE_INLINE V Log1p(V x) {
  const V u = Set(1) + x;
  return Log(u) + (x - (u - Set(1))) / u;
}

// arccos c for c in [−1, 1].
HYPERSPHERE_INLINE V Acos(V c) {
  const V a = Abs(c);
  V p = Set(-0x1.4b0a3p-10f);
  p = Fma(p, a, Set(0x1.b534e6p-8f));
  p = Fma(p, a, Set(-0x1.17ff94p-6f));
  p = Fma(p, a, Set(0x1.fa26aap-6f));
  p = Fma(p, a, Set(-0x1.9b07f8p-5f));
  p = Fma(p, a, Set(0x1.6c754cp-4f));
  p = Fma(p, a, Set(-0x1.b77f94p-3f));
  p = Fma(p, a, Set(0x1.921fb4p0f));
  const V angle = p * Sqrt(Set(1) - a);
  return Choose(c < Zero(), Set(0x1.921fb6p1f) - angle, angle);
}

// For |x| up to some thousands, to |x|·2⁻²⁴ at the baseline, which rounds the product with π/2.
HYPERSPHERE_INLINE void SinCos(V x, V& sin, V& cos) {
  const V rounded = Fma(x, Set(0x1.45f306p-1f), Set(kRounder));  // 2/π
  const V n = rounded - Set(kRounder);
  V r = Fma(n, Set(-0x1.921fb6p0f), x);
  r = Fma(n, Set(0x1.777a5cp-25f), r);
  const V z = r * r;
  V s = Set(-0x1.98f576p-13f);
  s = Fma(s, z, Set(0x1.1105fap-7f));
  s = Fma(s, z, Set(-0x1.555554p-3f));
  s = Fma(s * z, r, r);
  V c = Set(0x1.98f508p-16f);
  c = Fma(c, z, Set(-0x1.6c0738p-10f));
  c = Fma(c, z, Set(0x1.55553ap-5f));
  c = Fma(c, z, Set(-0.5f));
  c = Fma(c, z, Set(1));
  const VU quarter = AsBits(rounded), sin_sign = (quarter & 2) << 30, cos_sign = ((quarter + 1) & 2) << 30;
  const VI odd = (quarter & 1) != 0;
  sin = AsFloats(AsBits(Choose(odd, c, s)) ^ sin_sign);
  cos = AsFloats(AsBits(Choose(odd, s, c)) ^ cos_sign);
}

}  // namespace
}  // namespace hypersphere
