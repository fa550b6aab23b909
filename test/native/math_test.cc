// The elementary functions against libm: those of vectors at every level, with equal bits where there is a fused multiply-add, and
// those of one double.
#include <math.h>

#include <initializer_list>

#include "../../native/scalar/math.h"
#include "check.h"
#include "math_level.h"

using namespace hypersphere;
using namespace hypersphere::test;

extern "C" const MathTable hypersphere_math_baseline;
#if defined(__x86_64__)
extern "C" const MathTable hypersphere_math_avx2, hypersphere_math_avx512;
#elif defined(__aarch64__)
extern "C" const MathTable hypersphere_math_neon;
#endif

namespace {

using Floats = std::vector<float>;
using VectorFunction = void (*)(const float*, size_t, float*);
using Libm = double (*)(double);

const MathTable& TableOf(Level level) {
#if defined(__x86_64__)
  if (level == Level::kAvx2) return hypersphere_math_avx2;
  if (level == Level::kAvx512) return hypersphere_math_avx512;
#elif defined(__aarch64__)
  if (level == Level::kNeon) return hypersphere_math_neon;
#endif
  CHECK(level == Level::kBaseline, "level %s", LevelName(level));
  return hypersphere_math_baseline;
}

Floats Applied(VectorFunction function, Floats x) {
  const size_t count = x.size();
  x.resize((count + 15) / 16 * 16, 1);
  Floats out(x.size());
  function(x.data(), x.size(), out.data());
  out.resize(count);
  return out;
}

// Evenly spaced points of [low, high], or in equal ratios where both are positive and far apart.
Floats Points(double low, double high, size_t count = 40000) {
  Floats points(count);
  const bool ratios = low > 0 && high > 1e6 * low;
  for (size_t i = 0; i < count; i++) {
    const double t = double(i) / double(count - 1);
    points[i] = float(ratios ? pow(low, 1 - t) * pow(high, t) : low + (high - low) * t);
  }
  points.back() = float(high);
  return points;
}

struct Function {
  const char* name;
  VectorFunction MathTable::*of;
  Libm libm;
  double low, high;
  double relative, absolute;  // in units of 2⁻²⁴
};

void TestVectors() {
  const Function functions[] = {
      {"exp", &MathTable::exp_of_negative, exp, -69.3, 0, 2.5, 0},
      {"log", &MathTable::log, log, 0x1p-126, 3e38, 2.5, 0},
      {"log near 1", &MathTable::log, log, 0.5, 2, 4, 0},
      {"log1p", &MathTable::log1p, log1p, 0, 1, 4, 0},
      {"log1p of little", &MathTable::log1p, log1p, 1e-30, 1e-3, 4, 0},
      {"acos", &MathTable::acos, acos, -1, 1, 3, 2},
      {"acos near 1", &MathTable::acos, acos, 0.999, 1, 4, 0},
      {"sin", &MathTable::sin, sin, -7, 7, 2, 2},
      {"cos", &MathTable::cos, cos, -7, 7, 2, 2},
      {"sin, far", &MathTable::sin, sin, -2000, 2000, 2, 4},
      {"cos, far", &MathTable::cos, cos, -2000, 2000, 2, 4},
  };
  for (const Function& f : functions) {
    const Floats points = Points(f.low, f.high);
    Floats first;
    for (const Level level : Levels()) {
      const Floats out = Applied(TableOf(level).*f.of, points);
      double worst = 0;
      size_t at = 0;
      for (size_t i = 0; i < points.size(); i++) {
        const double expected = f.libm(double(points[i]));
        // A reduction by π/2 without a fused multiply-add rounds as much as x itself.
        const double reduction = level == Level::kBaseline && (f.libm == static_cast<Libm>(sin) || f.libm == static_cast<Libm>(cos)) ? fabs(double(points[i])) : 0;
        const double limit = (f.relative * fabs(expected) + f.absolute + reduction) * 0x1p-24;
        const double error = fabs(double(out[i]) - expected) / (limit > 0 ? limit : 0x1p-149);
        if (!(error <= worst)) {
          worst = error;
          at = i;
        }
      }
      CHECK(worst <= 1, "%s %s of %.9g is %.9g, not %.9g: %.2f of the bound", LevelName(level), f.name, double(points[at]), double(out[at]),
            f.libm(double(points[at])), worst);
      if (level == Level::kBaseline) continue;
      if (first.empty()) first = out;
      CHECK(SameBits(first, out), "%s %s", LevelName(level), f.name);
    }
  }
}

void TestSpecialValues() {
  for (const Level level : Levels()) {
    const MathTable& table = TableOf(level);
    const Floats e = Applied(table.exp_of_negative, {0, -0.0f, -INFINITY, -69.4f, -1000, -3e38f, NAN});
    CHECK(e[0] == 1 && e[1] == 1, "%s exp 0", LevelName(level));
    for (const size_t i : {2, 3, 4, 5}) CHECK(e[i] == 0 && !signbit(e[i]), "%s exp, %zu: %g", LevelName(level), i, double(e[i]));
    CHECK(isnan(e[6]), "%s exp NaN", LevelName(level));
    CHECK(Applied(table.log, {1})[0] == 0 && isfinite(Applied(table.log, {0})[0]), "%s log", LevelName(level));
    CHECK(Applied(table.log1p, {0})[0] == 0, "%s log1p 0", LevelName(level));
    const Floats a = Applied(table.acos, {1, -1, NAN});
    CHECK(a[0] == 0 && a[1] == float(M_PI) && isnan(a[2]), "%s acos", LevelName(level));
    CHECK(Applied(table.sin, {0})[0] == 0 && Applied(table.cos, {0})[0] == 1, "%s sin, cos 0", LevelName(level));
    CHECK(isnan(Applied(table.sin, {NAN})[0]) && isnan(Applied(table.cos, {NAN})[0]), "%s NaN", LevelName(level));
  }
}

void Near(const char* name, double (*ours)(double), Libm libm, double low, double high, double relative, double absolute) {
  constexpr size_t kCount = 20000;
  for (size_t i = 0; i < kCount; i++) {
    const double t = double(i) / double(kCount - 1);
    const double x = low > 0 && high > 1e6 * low ? pow(low, 1 - t) * pow(high, t) : low + (high - low) * t;
    const double got = ours(x), expected = libm(x), limit = (relative * fabs(expected) + absolute) * 0x1p-53 + 0x1p-1022;
    CHECK(fabs(got - expected) <= limit, "%s of %.17g is %.17g, not %.17g", name, x, got, expected);
  }
}

void TestScalars() {
  Near("Exp", scalar::Exp, exp, -700, 709, 8, 0);
  Near("Exp", scalar::Exp, exp, -1, 1, 4, 0);
  Near("Log", scalar::Log, log, 1e-300, 1e300, 4, 0);
  Near("Log", scalar::Log, log, 0.5, 2, 8, 0);
  Near("Log1p", scalar::Log1p, log1p, 1e-20, 1e6, 8, 0);
  Near("Sin", scalar::Sin, sin, -10, 10, 4, 2);
  Near("Cos", scalar::Cos, cos, -10, 10, 4, 2);
  Near("Sin", scalar::Sin, sin, -1000, 1000, 4, 16);
  Near("Acos", scalar::Acos, acos, -1, 1, 8, 0);
  Near("Acos", scalar::Acos, acos, 0.999999, 1, 8, 0);
  Near("Atan", scalar::Atan, atan, 0, 100, 8, 0);
  for (const double t : {0.5, 1.0, 3.0, 7.5}) {
    for (int i = 1; i <= 1000; i++) {
      const double x = i / 1000.0, expected = pow(x, t);
      // The exponent t·log x has its own rounding.
      CHECK(fabs(scalar::Pow(x, t) - expected) <= (8 + 4 * t * fabs(log(x))) * 0x1p-53 * expected, "Pow %g %g", x, t);
    }
  }
  CHECK(scalar::Exp(0) == 1 && scalar::Exp(-INFINITY) == 0 && scalar::Exp(INFINITY) == INFINITY && isnan(scalar::Exp(NAN)), "Exp");
  CHECK(scalar::Log(1) == 0 && scalar::Log(0) == -INFINITY && scalar::Log(INFINITY) == INFINITY && isnan(scalar::Log(-1)) && isnan(scalar::Log(NAN)), "Log");
  CHECK(fabs(scalar::Log(5e-324) - log(5e-324)) < 1e-12, "Log of a denormal");
  CHECK(scalar::Log1p(0) == 0 && scalar::Log1p(INFINITY) == INFINITY && scalar::Log1p(1e-300) == 1e-300 && isnan(scalar::Log1p(NAN)), "Log1p");
  CHECK(scalar::Acos(1) == 0 && scalar::Acos(-1) == M_PI && isnan(scalar::Acos(NAN)), "Acos");
  for (const double x : {double(NAN), double(INFINITY), -double(INFINITY)}) CHECK(isnan(scalar::Sin(x)) && isnan(scalar::Cos(x)), "Sin, Cos of %g", x);
  // An angle without digits still has a sine.
  for (double x = 0x1p20; x < 1e300; x *= 1.7) CHECK(fabs(scalar::Sin(x)) <= 1.01 && fabs(scalar::Cos(-x)) <= 1.01, "Sin, Cos of %g", x);
  CHECK(scalar::Pow(0, 2) == 0 && scalar::Pow(1, 5) == 1, "Pow");
}

}  // namespace

int main() {
  TestVectors();
  TestSpecialValues();
  TestScalars();
  return 0;
}
