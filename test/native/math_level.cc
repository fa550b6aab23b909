// Compiled once a level, with its flags, as native/isa is: the header has internal linkage and cannot be reached otherwise.
#include "math_level.h"

#include "../../native/simd/math.h"

namespace hypersphere {
namespace {

template <class Function>
HYPERSPHERE_INLINE void Each(const float* x, size_t count, float* out, const Function& function) {
  for (size_t i = 0; i < count; i += kLanes) Store(function(Load(x + i)), out + i);
}

void AllExp(const float* x, size_t count, float* out) { Each(x, count, out, [](V v) { return ExpOfNegative(v); }); }
void AllLog(const float* x, size_t count, float* out) { Each(x, count, out, [](V v) { return Log(v); }); }
void AllLog1p(const float* x, size_t count, float* out) { Each(x, count, out, [](V v) { return Log1p(v); }); }
void AllAcos(const float* x, size_t count, float* out) { Each(x, count, out, [](V v) { return Acos(v); }); }
void AllSin(const float* x, size_t count, float* out) {
  Each(x, count, out, [](V v) {
    V sin, cos;
    SinCos(v, sin, cos);
    return sin;
  });
}
void AllCos(const float* x, size_t count, float* out) {
  Each(x, count, out, [](V v) {
    V sin, cos;
    SinCos(v, sin, cos);
    return cos;
  });
}

}  // namespace
}  // namespace hypersphere

extern "C" const MathTable HYPERSPHERE_MATH;
const MathTable HYPERSPHERE_MATH = {hypersphere::AllExp,  hypersphere::AllLog, hypersphere::AllLog1p,
                                    hypersphere::AllAcos, hypersphere::AllSin, hypersphere::AllCos};
