// Center loss, its gradients and the centers' update on the device: the bits of the CPU.
#include "../../native/cuda/ops/resident.h"
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

// Every third row has label 0; most classes are touched by few rows or none.
std::vector<int32_t> LabelsOf(size_t n, size_t classes) {
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = i % 3 == 0 ? 0 : static_cast<int32_t>(i * 7919 % classes);
  return labels;
}

void TestCenters(const char* name, const std::vector<float>& x, const std::vector<float>& centers, size_t d) {
  const size_t n = x.size() / d, classes = centers.size() / d;
  const std::vector<int32_t> labels = LabelsOf(n, classes);
  for (const bool gradients : {true, false}) {
    TestBits("centerLoss", name, [&](bool device) {
      std::vector<float> per_example(n, -7), grad_x(x.size(), -7), grad_centers(centers.size(), -7);
      double loss = -7;
      const CenterLossOp op{x.data(), labels.data(), centers.data(), per_example.data(), gradients ? grad_x.data() : nullptr,
                            gradients ? grad_centers.data() : nullptr, &loss, n, d, classes, 0.37};
      Succeed(device ? cuda::CenterLoss(op, nullptr) : CenterLoss(op, nullptr));
      std::vector<double> all{loss};
      for (const auto* part : {&per_example, &grad_x, &grad_centers}) Append(all, *part);
      return all;
    });
  }
  TestBits("updateCenters", name, [&](bool device) {
    std::vector<float> moved = centers;
    const UpdateCentersOp op{x.data(), labels.data(), moved.data(), n, d, classes, 0.5};
    Succeed(device ? cuda::UpdateCenters(op, nullptr) : UpdateCenters(op, nullptr));
    return moved;
  });
}

// Centers that stay on the device: two updates, the loss between them and after.
void TestKept(const char* name, const std::vector<float>& x, const std::vector<float>& centers, size_t d) {
  const size_t n = x.size() / d, classes = centers.size() / d;
  const std::vector<int32_t> labels = LabelsOf(n, classes);
  TestBits("centers that stay", name, [&](bool device) {
    std::vector<float> moved = centers, per_example(n, -7), grad_x(x.size(), -7), grad_centers(centers.size(), -7);
    std::vector<double> all;
    double loss = -7;
    cuda::ResidentRows kept(classes, d, false, false);
    if (device) Succeed(kept.Keep(centers.data(), nullptr));
    const float* const given = device ? nullptr : moved.data();
    const CenterLossOp op{x.data(), labels.data(), given, per_example.data(), grad_x.data(), grad_centers.data(), &loss, n, d, classes, 0.37};
    const UpdateCentersOp update{x.data(), labels.data(), device ? nullptr : moved.data(), n, d, classes, 0.5};
    for (int step = 0; step < 2; step++) {
      Succeed(device ? kept.UpdateCenters(update) : UpdateCenters(update, nullptr));
      Succeed(device ? kept.CenterLoss(op) : CenterLoss(op, nullptr));
      all.push_back(loss);
      for (const auto* part : {&per_example, &grad_x, &grad_centers}) Append(all, *part);
    }
    if (device) Succeed(kept.Read(moved.data(), nullptr));
    Append(all, moved);
    return all;
  });
}

void TestAbort() {
  const std::vector<float> x = Normals(40, 1), centers = Normals(24, 2);
  const std::vector<int32_t> labels(5, 1);
  std::vector<float> moved = centers;
  const std::atomic<bool> cancel{true};
  const UpdateCentersOp op{x.data(), labels.data(), moved.data(), 5, 8, 3, 0.5};
  CHECK(cuda::UpdateCenters(op, &cancel) == Status::kAborted && SameBits(moved, centers), "centers moved all the same");
}

}  // namespace

void hypersphere::test::TestCentersOfClasses() {
  for (const size_t d : {1, 15, 40, 300}) {
    TestCenters("plain", Normals(50 * d, 3), Normals(40 * d, 4), d);
    TestCenters("offset", Normals(21 * d, 3, 1, 100), Normals(9 * d, 4, 1, 100), d);
    TestCenters("nasty", Nasty(33, d, 5), Nasty(17, d, 6), d);
    TestCenters("one class", Normals(70 * d, 7), Normals(d, 8), d);
    TestCenters("no rows", {}, Normals(3 * d, 8), d);
    TestKept("kept", Normals(50 * d, 3), Normals(40 * d, 4), d);
    TestKept("kept, nasty", Nasty(33, d, 5), Nasty(17, d, 6), d);
    TestKept("kept, no rows", {}, Normals(3 * d, 8), d);
  }
  TestAbort();
}
