// Calls of several streams at once, and what crosses in pieces: the bits of one call after the other, and whole arrays.
#include <atomic>
#include <functional>
#include <thread>

#include "../../native/cuda/ops/gallery.h"
#include "../../native/cuda/ops/resident.h"
#include "../../native/cuda/staging.h"
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Numbers = std::vector<double>;

// Weights that stay, moved in four steps and read.
Numbers Steps(uint32_t seed) {
  constexpr size_t kClasses = 40, kN = 5, kD = 7, kSteps = 4;
  const std::vector<float> weights = Normals(kClasses * kD, seed), x = Normals(kN * kD * kSteps, seed + 1);
  const std::vector<int32_t> labels = {0, 39, 3, 3, 17};
  std::vector<float> per_example(kN), grad_x(kN * kD), moved(weights.size());
  std::vector<double> result(4);
  WeightUpdate update{Rule::kSgd, nullptr, nullptr, false, 0, 0.5, 0.9, 1e-4, 1e-10};
  cuda::ResidentRows rows(kClasses, kD, false, true);
  Succeed(rows.Keep(weights.data(), std::vector<float>(weights.size(), 0).data()));
  MarginSoftmaxOp op{};
  op.labels = labels.data();
  op.per_example = per_example.data();
  op.grad_x = grad_x.data();
  op.update = &update;
  op.result = result.data();
  op.n = kN;
  op.d = kD;
  op.classes = op.all_classes = kClasses;
  op.margin.kind = MarginKind::kCosFace;
  op.margin.scale = 16;
  op.margin.k = 1;
  Numbers all;
  for (size_t step = 0; step < kSteps; step++) {
    op.x = x.data() + step * kN * kD;
    Succeed(rows.MarginSoftmax(op, cuda::Precision::kReproducible));
    for (const auto* part : {&per_example, &grad_x}) Append(all, *part);
    Append(all, result);
  }
  Succeed(rows.Read(moved.data(), nullptr));
  Append(all, moved);
  return all;
}

Numbers Searches(uint32_t seed) {
  constexpr size_t kM = 30, kN = 4, kD = 6, kK = 3;
  const std::vector<float> gallery = Normals(kM * kD, seed), x = Normals(kN * kD, seed + 1);
  std::vector<int32_t> indices(kN * kK);
  std::vector<float> distances(kN * kK);
  NearestOp op{};
  op.x = x.data();
  op.indices = indices.data();
  op.distances = distances.data();
  op.n = kN;
  op.m = kM;
  op.d = kD;
  op.k = kK;
  op.metric = Metric::kEuclidean;
  Numbers all;
  for (int turn = 0; turn < 3; turn++) {
    cuda::Gallery kept(kM, kD, op.metric);
    Succeed(kept.Pack(gallery.data(), nullptr, nullptr));
    Succeed(kept.Search(op, nullptr));
    Append(all, indices);
    Append(all, distances);
  }
  return all;
}

// Of no object: such calls share a stream.
Numbers Products(uint32_t seed) {
  constexpr size_t kN = 20, kD = 6;
  const std::vector<float> x = Normals(kN * kD, seed);
  std::vector<float> out(kN * kN);
  Numbers all;
  for (int turn = 0; turn < 4; turn++) {
    Succeed(cuda::Distances({x.data(), x.data(), out.data(), kN, kN, kD, Metric::kSquaredEuclidean}, nullptr));
    Append(all, out);
  }
  return all;
}

void TestOverlap() {
  const std::function<Numbers()> works[] = {[] { return Steps(1); }, [] { return Steps(11); }, [] { return Searches(21); }, [] { return Products(31); },
                                            [] { return Products(41); }};
  constexpr size_t kWorks = std::size(works);
  Numbers alone[kWorks], together[kWorks];
  for (size_t w = 0; w < kWorks; w++) alone[w] = works[w]();
  for (int turn = 0; turn < 3; turn++) {
    std::atomic<size_t> ready{0};
    std::vector<std::thread> threads;
    for (size_t w = 0; w < kWorks; w++) {
      threads.emplace_back([&, w] {
        for (ready++; ready < kWorks;) std::this_thread::yield();
        together[w] = works[w]();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (size_t w = 0; w < kWorks; w++) {
      CHECK(alone[w].size() == together[w].size(), "%zu", w);
      for (size_t i = 0; i < alone[w].size(); i++) CHECK(SameNumber(alone[w][i], together[w][i]), "work %zu, number %zu: %a and %a", w, i, alone[w][i], together[w][i]);
    }
  }
}

// Of every length from a number to more than both halves, each array given away as soon as it was sent.
void TestPieces() {
  constexpr size_t kHalf = cuda::Staging::kHalfBytes / sizeof(float);
  std::vector<size_t> counts = {3 * kHalf + 5, 1, kHalf, kHalf - 1, 2 * kHalf + 1};
  for (size_t i = 0; i < 400; i++) counts.push_back(1 + i * 7919 % 3001);
  for (int turn = 0; turn < 2; turn++) {
    size_t total = 0;
    for (const size_t count : counts) total += count;
    std::vector<float> found(total, 7);
    cuda::Call call(nullptr);
    float* const there = call.Allocate<float>(total);
    const auto value = [&](size_t at) { return static_cast<float>(at % 100003 + static_cast<size_t>(turn)); };
    size_t at = 0;
    for (const size_t count : counts) {
      std::vector<float> sent(count);
      for (size_t i = 0; i < count; i++) sent[i] = value(at + i);
      call.Upload(there + at, sent.data(), count);
      std::fill(sent.begin(), sent.end(), -1.0f);
      if (count % 2 == 1) call.Download(found.data() + at, there + at, count);
      at += count;
    }
    at = 0;
    for (const size_t count : counts) {
      if (count % 2 == 0) call.Download(found.data() + at, there + at, count);
      at += count;
    }
    Succeed(call.Finish());
    for (size_t i = 0; i < total; i++) CHECK(found[i] == value(i), "number %zu is %a", i, double(found[i]));
  }
}

// A call that has ended, if before its time, writes nothing any more: neither to the host nor to memory that others have by then.
void TestAborted() {
  constexpr size_t kCount = 8;
  const std::vector<uint16_t> one(kCount, 1), two(kCount, 2), three(kCount, 3);
  std::vector<uint16_t> fetched(kCount, 7), found(kCount, 7);
  const cuda::Resident object;
  {
    std::atomic<bool> cancel{false};
    cuda::Call call(&cancel, cuda::Precision::kReproducible, &object);
    const uint16_t* const there = call.Upload(one.data(), kCount);
    float* const wide = call.Allocate<float>(kCount);
    call.Download(fetched.data(), there, kCount);
    cancel = true;
    call.LaunchThreads(cuda::Kernel::k_widen, kCount, there, kCount, wide);
    CHECK(call.Failed(), "went on");
  }
  const std::vector<uint16_t> then = fetched;
  cuda::Call call(nullptr);
  uint16_t *const first = call.Allocate<uint16_t>(kCount), *const second = call.Allocate<uint16_t>(kCount), *const third = call.Allocate<uint16_t>(kCount);
  // Otherwise what the first call has left undone would find in its staging what belongs here.
  call.Upload(third, three.data(), kCount);
  call.Upload(first, two.data(), kCount);
  call.Upload(second, two.data(), kCount);
  Succeed(call.Finish());
  {
    cuda::Call same(nullptr, cuda::Precision::kReproducible, &object);
    Succeed(same.Finish());
  }
  for (const uint16_t* there : {first, second}) {
    call.Download(found.data(), there, kCount);
    Succeed(call.Finish());
    CHECK(found == two, "memory that was another call's: %u", found[0]);
  }
  CHECK(fetched == then, "an aborted call has written later: %u", fetched[0]);
}

}  // namespace

void hypersphere::test::TestStreams() {
  TestPieces();
  TestAborted();
  TestOverlap();
}
