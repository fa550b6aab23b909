// How long ops take, and which share of what the device can do at most that is. Those that say "on the device" find their arguments there;
// the others are the ops themselves, with the way there and back. On the stand-in each of them runs once, small, and nothing is timed.
#include <math.h>

#include <functional>

#include "../../native/cuda/ops/gallery.h"
#include "../../native/cuda/ops/product.h"
#include "ceilings.h"
#include "compare.h"
#include "seconds.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;
using cuda::Call;
using cuda::Kernel;

namespace {

struct Work {
  double bytes, flops;
};

class Times {
 public:
  explicit Times(bool simulated) : simulated_(simulated) {
    TestCeilings();
    if (simulated) return;
    ceilings_ = MeasureCeilings();
    printf("ceilings: copy %.0f GB/s, fused multiply-add %.2f TFLOP/s\n", ceilings_.copied_bytes * 1e-9, ceilings_.flops * 1e-12);
  }

  // start() of a whole op returns when it is done.
  void Whole(const char* op, const Work& work, const std::function<Status()>& start) {
    Time(op, work, [&] { Succeed(start()); }, [] {});
  }
  // What prepare(call) returns launches the op once.
  template <class Prepare>
  void OnDevice(const char* op, const Work& work, const Prepare& prepare) {
    Call call(nullptr);
    const auto launch = prepare(call);
    Time(op, work, [&] { launch(); }, [&] { Succeed(call.Finish()); });
  }

 private:
  template <class Start, class Wait>
  void Time(const char* op, const Work& work, const Start& start, const Wait& wait) {
    if (simulated_) {
      start();
      wait();
      return;
    }
    const double seconds = LeastSeconds(start, wait);
    printf("%s: %.3f ms, %.0f %% of the copy's rate, %.0f %% of the multiply-adds'\n", op, seconds * 1e3, 100 * work.bytes / seconds / ceilings_.copied_bytes,
           100 * work.flops / seconds / ceilings_.flops);
  }

  const bool simulated_;
  Ceilings ceilings_{};
};

Work ProductOf(size_t n, size_t m, size_t d) {
  const double rows = static_cast<double>(n), cols = static_cast<double>(m), depth = static_cast<double>(d);
  return {4 * (rows * depth + cols * depth + rows * cols), 2 * rows * cols * depth};
}
Work Passes(double count, size_t n, size_t d) { return {4 * count * static_cast<double>(n) * static_cast<double>(d), 0}; }

void TimeProducts(Times& times, size_t n, size_t d) {
  const std::vector<float> x = Normals(n * d, 1), y = Normals(n * d, 2);
  const auto side = static_cast<uint32_t>(n), depth = static_cast<uint32_t>(d);
  times.OnDevice("matmul, on the device", ProductOf(n, n, d), [&](Call& call) {
    const float *const left = call.Upload(x.data(), n * d), *const right = call.Upload(y.data(), n * d);
    float* const out = call.Allocate<float>(n * n);
    return [=, &call] { LaunchProduct(call, {{left, d, 1}, {right, d, 1}, out, n, 0, side, side, depth, depth}); };
  });
  for (const auto& [name, metric] : {std::pair{"squared Euclidean distances, on the device", Metric::kSquaredEuclidean}, {"cosine similarities, on the device", Metric::kCosineSimilarity}}) {
    times.OnDevice(name, ProductOf(n, n, d), [&, of = metric](Call& call) {
      const cuda::Side left = AllocateSide(call, call.Upload(x.data(), n * d), n, d, of), right = AllocateSide(call, call.Upload(y.data(), n * d), n, d, of);
      float* const out = call.Allocate<float>(n * n);
      uint64_t* const marks = AllocateMarks(call, n, n, of);
      return [=, &call] {
        LaunchNorms(call, left, of);
        LaunchNorms(call, right, of);
        LaunchDistances(call, left, right, of, out, false, marks);
      };
    });
  }
  std::vector<float> out(n * n);
  times.Whole("matmul", ProductOf(n, n, d), [&] { return cuda::Matmul({x.data(), y.data(), out.data(), false, true, n, d, n}, nullptr); });
  times.Whole("distances", ProductOf(n, n, d), [&] { return cuda::Distances({x.data(), y.data(), out.data(), n, n, d, Metric::kEuclidean}, nullptr); });
}

void TimeRows(Times& times, size_t n, size_t d) {
  const std::vector<float> x = Normals(n * d, 1), g = Normals(n * d, 2);
  times.OnDevice("normalize, on the device", Passes(2, n, d), [&](Call& call) {
    const NormalizeOp op{call.Upload(x.data(), n * d), call.Allocate<float>(n * d), n, d, 1e-12};
    return [=, &call] { call.LaunchGroups(Kernel::k_normalize, n, op); };
  });
  times.OnDevice("normalizeGradient, on the device", Passes(3, n, d), [&](Call& call) {
    const NormalizeGradientOp op{call.Upload(x.data(), n * d), call.Upload(g.data(), n * d), call.Allocate<float>(n * d), n, d, 1e-12};
    return [=, &call] { call.LaunchGroups(Kernel::k_normalize_gradient, n, op); };
  });
  times.OnDevice("softmax, on the device", Passes(2, n, d), [&](Call& call) {
    const SoftmaxOp op{call.Upload(x.data(), n * d), nullptr, call.Allocate<float>(n * d), n, d, 1};
    return [=, &call] { call.LaunchGroups(Kernel::k_softmax_rows, n, op); };
  });
  std::vector<float> out(n * d), per_example(n);
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * 7919 % d);
  double loss = 0;
  times.Whole("normalize", Passes(2, n, d), [&] { return cuda::Normalize({x.data(), out.data(), n, d, 1e-12}, nullptr); });
  times.Whole("normalizeGradient", Passes(3, n, d), [&] { return cuda::NormalizeGradient({x.data(), g.data(), out.data(), n, d, 1e-12}, nullptr); });
  times.Whole("softmax", Passes(2, n, d), [&] { return cuda::Softmax({x.data(), nullptr, out.data(), n, d, 1}, nullptr); });
  const CrossEntropyOp entropy{x.data(), labels.data(), nullptr, nullptr, per_example.data(), out.data(), &loss, n, d, Reduction::kMean, 0};
  times.Whole("crossEntropy", Passes(3, n, d), [&] { return cuda::CrossEntropy(entropy, nullptr); });
}

void TimeCenters(Times& times, size_t n, size_t classes, size_t d) {
  const std::vector<float> x = Normals(n * d, 1);
  std::vector<float> centers = Normals(classes * d, 2), per_example(n), grad_x(n * d), grad_centers(classes * d);
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * 7919 % classes);
  double loss = 0;
  const CenterLossOp op{x.data(), labels.data(), centers.data(), per_example.data(), grad_x.data(), grad_centers.data(), &loss, n, d, classes, 1};
  times.Whole("centerLoss", Passes(4, n, d), [&] { return cuda::CenterLoss(op, nullptr); });
  times.Whole("updateCenters", Passes(3, n, d), [&] { return cuda::UpdateCenters({x.data(), labels.data(), centers.data(), n, d, classes, 0.5}, nullptr); });
}

void TimeSearch(Times& times, size_t n, size_t m, size_t d, size_t k) {
  const std::vector<float> x = Normals(n * d, 1), rows = Normals(m * d, 2);
  std::vector<int32_t> indices(n * k);
  std::vector<float> distances(n * k);
  NearestOp op{};
  op.x = x.data();
  op.gallery = rows.data();
  op.indices = indices.data();
  op.distances = distances.data();
  op.n = n;
  op.m = m;
  op.d = d;
  op.k = k;
  op.metric = Metric::kSquaredEuclidean;
  times.Whole("nearest", ProductOf(n, m, d), [&] { return cuda::Nearest(op, nullptr); });
  cuda::Gallery gallery(m, d, op.metric);
  Succeed(gallery.Pack(rows.data(), nullptr, nullptr));
  times.Whole("Gallery", ProductOf(n, m, d), [&] { return gallery.Search(op, nullptr); });
}

// Forward and backward, three products; the weights come with each call.
void TimeHead(Times& times, size_t n, size_t classes, size_t d) {
  const std::vector<float> x = Normals(n * d, 1);
  std::vector<float> weights = Normals(classes * d, 2), per_example(n), grad_x(n * d), grad_weights(classes * d);
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(i * 7919 % classes);
  std::vector<double> result(4);
  MarginSoftmaxOp op{};
  op.x = x.data();
  op.weights = weights.data();
  op.labels = labels.data();
  op.per_example = per_example.data();
  op.grad_x = grad_x.data();
  op.grad_weights = grad_weights.data();
  op.result = result.data();
  op.n = n;
  op.d = d;
  op.classes = op.all_classes = classes;
  op.margin.kind = MarginKind::kCosFace;
  op.margin.scale = 64;
  op.margin.k = 1;
  op.margin.numbers[0] = 0.35;
  op.reduction = Reduction::kMean;
  op.workspace_bytes = size_t{96} << 20;
  const Work one = ProductOf(n, classes, d);
  times.Whole("CosFace, forward and backward", {3 * one.bytes, 3 * one.flops}, [&] { return cuda::MarginSoftmax(op, nullptr); });
}

}  // namespace

void hypersphere::test::TimeOps(bool simulated) {
  Times times(simulated);
  const auto size = [simulated](size_t real, size_t small) { return simulated ? small : real; };
  TimeProducts(times, size(4096, 33), size(512, 9));
  TimeRows(times, size(16384, 17), size(1000, 19));
  TimeCenters(times, size(16384, 17), size(10000, 7), size(512, 9));
  TimeSearch(times, size(1024, 5), size(100000, 40), size(128, 9), size(10, 3));
  TimeHead(times, size(512, 5), size(100000, 40), size(512, 9));
}
