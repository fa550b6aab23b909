// Products against a float64 oracle at every level, and equal bits at every level with FMA and any number of threads.
#include <math.h>

#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

struct Shape {
  size_t rows, inner, cols;
};

std::vector<float> Compute(const Shape& s, const std::vector<float>& a, const std::vector<float>& b, bool ta, bool tb) {
  std::vector<float> out(s.rows * s.cols, NAN);
  CHECK(Matmul({a.data(), b.data(), out.data(), ta, tb, s.rows, s.inner, s.cols}, nullptr) == Status::kOk, "status");
  return out;
}

struct Oracle {
  std::vector<double> sums, bounds;  // the bound is that of any order of summation in float32
};

Oracle OracleOf(const Shape& s, const std::vector<float>& a, const std::vector<float>& b, bool ta, bool tb) {
  Oracle oracle;
  for (size_t i = 0; i < s.rows; i++) {
    for (size_t j = 0; j < s.cols; j++) {
      double sum = 0, size = 0;
      for (size_t k = 0; k < s.inner; k++) {
        const double term = double(ta ? a[k * s.rows + i] : a[i * s.inner + k]) * double(tb ? b[j * s.inner + k] : b[k * s.cols + j]);
        sum += term;
        size += fabs(term);
      }
      oracle.sums.push_back(sum);
      oracle.bounds.push_back(double(s.inner + 1) * 0x1p-24 * size);
    }
  }
  return oracle;
}

void Test(const Shape& s) {
  const std::vector<float> a = Normals(s.rows * s.inner, 1), b = Normals(s.inner * s.cols, 2);
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Oracle oracle = OracleOf(s, a, b, ta, tb);
      std::vector<float> first;
      for (const Level level : Levels()) {
        SetLevel(level);
        SetThreads(1);
        const std::vector<float> out = Compute(s, a, b, ta, tb);
        for (size_t i = 0; i < out.size(); i++) {
          CHECK(fabs(out[i] - oracle.sums[i]) <= oracle.bounds[i], "%s %zux%zux%zu ta %d tb %d at %zu: %g, not %g", LevelName(level), s.rows, s.inner, s.cols,
                ta, tb, i, out[i], oracle.sums[i]);
        }
        for (const int threads : {2, 3, 8}) {
          SetThreads(threads);
          CHECK(SameBits(out, Compute(s, a, b, ta, tb)), "%s with %d threads", LevelName(level), threads);
        }
        if (level == Level::kBaseline) continue;
        if (first.empty()) first = out;
        CHECK(SameBits(first, out), "%s at %zux%zux%zu", LevelName(level), s.rows, s.inner, s.cols);
      }
    }
  }
}

}  // namespace

int main() {
  for (const size_t rows : {1, 15, 17, 97}) {
    for (const size_t inner : {1, 16, 257}) {
      for (const size_t cols : {1, 15, 16, 33, 256}) Test({rows, inner, cols});
    }
  }
  Test({255, 1000, 257});
  Test({1, 769, 5003});
  Test({5003, 131, 1});
  Test({1409, 1537, 31});  // several blocks of rows and of depth, several runs of rows
  Test({14, 0, 3});
  std::atomic<bool> cancel{true};
  const std::vector<float> a = Normals(64, 1);
  std::vector<float> out(64);
  CHECK(Matmul({a.data(), a.data(), out.data(), false, false, 8, 8, 8}, &cancel) == Status::kAborted, "cancelled");
  return 0;
}
