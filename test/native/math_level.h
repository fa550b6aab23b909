// The vector functions of native/simd/math.h at one level, over arrays whose length is a multiple of 16.
#pragma once

#include <stddef.h>

struct MathTable {
  void (*exp_of_negative)(const float* x, size_t count, float* out);
  void (*log)(const float* x, size_t count, float* out);
  void (*log1p)(const float* x, size_t count, float* out);
  void (*acos)(const float* x, size_t count, float* out);
  void (*sin)(const float* x, size_t count, float* out);
  void (*cos)(const float* x, size_t count, float* out);
};
