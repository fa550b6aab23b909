// Softmax and cross-entropy of given logits on the device: the bits of the CPU.
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

// Rows that are ordinary, equal throughout, far apart, and with infinities and NaN among them.
std::vector<float> LogitsOf(size_t n, size_t classes) {
  std::vector<float> logits = Normals(n * classes, 3, 5);
  for (size_t i = 0; i < n; i++) {
    float* const row = logits.data() + i * classes;
    for (size_t c = 0; c < classes; c++) {
      if (i % 8 == 1) row[c] = -0.0f;
      if (i % 8 == 2) row[c] *= 1e4f;
      if (i % 8 == 3 && c % 3 == 1) row[c] = -INFINITY;
      if (i % 8 == 4) row[c] = -INFINITY;
      if (i % 8 == 5 && c == classes / 2) row[c] = INFINITY;
      if (i % 8 == 6 && c == classes / 3) row[c] = NAN;
    }
  }
  return logits;
}

void TestSoftmax(size_t n, size_t classes, double temperature) {
  const std::vector<float> logits = LogitsOf(n, classes), grad = Normals(n * classes, 4);
  for (const bool gradient : {false, true}) {
    TestBits("softmax", gradient ? "gradient" : "forward", [&](bool device) {
      std::vector<float> out(n * classes, -7);
      const SoftmaxOp op{logits.data(), gradient ? grad.data() : nullptr, out.data(), n, classes, temperature};
      Succeed(device ? cuda::Softmax(op, nullptr) : Softmax(op, nullptr));
      return out;
    });
  }
}

void TestCrossEntropy(size_t n, size_t classes, double smoothing, bool weighted, Reduction reduction) {
  const std::vector<float> logits = LogitsOf(n, classes), grad = Normals(n, 4);
  std::vector<float> weights = Normals(classes, 5);
  for (float& weight : weights) weight = weight < 0 ? 0 : weight;
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = i % 5 == 3 ? kIgnored : static_cast<int32_t>(i * 7919 % classes);
  for (const bool gradients : {true, false}) {
    TestBits("crossEntropy", gradients ? "with gradients" : "the loss alone", [&](bool device) {
      std::vector<float> per_example(n, -7), grad_logits(n * classes, -7);
      double loss = -7;
      const CrossEntropyOp op{logits.data(),      labels.data(), weighted ? weights.data() : nullptr,         reduction == Reduction::kNone ? grad.data() : nullptr,
                              per_example.data(), gradients ? grad_logits.data() : nullptr, &loss, n, classes, reduction,
                              smoothing};
      Succeed(device ? cuda::CrossEntropy(op, nullptr) : CrossEntropy(op, nullptr));
      std::vector<double> all{loss};
      Append(all, per_example);
      Append(all, grad_logits);
      return all;
    });
  }
}

}  // namespace

void hypersphere::test::TestSoftmaxes() {
  for (const size_t classes : {1, 7, 16, 256, 601}) {
    for (const double temperature : {1.0, 0.05, 1e-60}) TestSoftmax(17, classes, temperature);
    for (const double smoothing : {0.0, 0.1}) {
      for (const bool weighted : {false, true}) {
        TestCrossEntropy(19, classes, smoothing, weighted, Reduction::kMean);
        TestCrossEntropy(9, classes, smoothing, weighted, Reduction::kNone);
      }
    }
  }
  TestSoftmax(0, 3, 1);
  TestCrossEntropy(0, 3, 0, false, Reduction::kMean);
}
