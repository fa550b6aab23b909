// The heads at every level against an oracle in double, whose gradients are central differences; their bits at every level and
// number of threads; bfloat16 weights and aborts. Small: this also runs under the sanitizers.
#include <math.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <initializer_list>
#include <thread>

#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

Margin MarginOf(MarginKind kind, double scale, std::initializer_list<double> numbers = {}, size_t k = 1) {
  Margin margin{};
  margin.kind = kind;
  margin.scale = scale;
  margin.k = k;
  std::copy(numbers.begin(), numbers.end(), margin.numbers);
  return margin;
}

struct Head {
  Margin margin;
  size_t n, d, classes;
  Floats x, weights, bias;
  std::vector<int32_t> labels;
  double smoothing = 0;
};

Head HeadOf(const Margin& margin, size_t n, size_t d, size_t classes) {
  Head head{margin, n, d, classes, Normals(n * d, 1), Normals(classes * margin.k * d, 2), {}, std::vector<int32_t>(n)};
  for (size_t i = 0; i < n; i++) head.labels[i] = i % 5 == 3 ? kIgnored : static_cast<int32_t>(i * 7919 % classes);
  return head;
}

struct Outputs {
  Floats per_example, grad_x, grad_weights, grad_bias;
  double result[4] = {};
};

MarginSoftmaxOp OpOf(Head& head, Outputs& out, size_t workspace_bytes = 1 << 20) {
  out.per_example.assign(head.n, -7);
  out.grad_x.assign(head.n * head.d, -7);
  out.grad_weights.assign(head.weights.size(), -7);
  out.grad_bias.assign(head.bias.size(), -7);
  MarginSoftmaxOp op{};
  op.x = head.x.data();
  op.weights = head.weights.data();
  op.labels = head.labels.data();
  op.bias = head.bias.empty() ? nullptr : head.bias.data();
  op.per_example = out.per_example.data();
  op.grad_x = out.grad_x.data();
  op.grad_weights = out.grad_weights.data();
  op.grad_bias = head.bias.empty() ? nullptr : out.grad_bias.data();
  op.result = out.result;
  op.n = head.n;
  op.d = head.d;
  op.classes = op.all_classes = head.classes;
  op.margin = head.margin;
  op.reduction = Reduction::kMean;
  op.label_smoothing = head.smoothing;
  op.workspace_bytes = workspace_bytes;
  return op;
}

// The mean loss in double, of kSoftmax, kCosFace, kArcFace without overflow, all with sub-centers, and kSoftTriple.
double Oracle(const Head& head, const Doubles& x, const Doubles& w, const Doubles& bias) {
  const Margin& margin = head.margin;
  const size_t d = head.d, k = margin.k;
  const bool unit = margin.kind != MarginKind::kSoftmax;
  double loss = 0, counted = 0;
  for (size_t i = 0; i < head.n; i++) {
    if (head.labels[i] == kIgnored) continue;
    counted++;
    double norm_x = 0;
    for (size_t j = 0; j < d; j++) norm_x += x[i * d + j] * x[i * d + j];
    Doubles z(head.classes), values(k);
    for (size_t c = 0; c < head.classes; c++) {
      for (size_t r = 0; r < k; r++) {
        const double* row = &w[(c * k + r) * d];
        double dot = 0, norm_w = 0;
        for (size_t j = 0; j < d; j++) {
          dot += x[i * d + j] * row[j];
          norm_w += row[j] * row[j];
        }
        values[r] = unit ? dot / sqrt(norm_x * norm_w) : dot;
      }
      double value = *std::max_element(values.begin(), values.end());
      if (margin.kind == MarginKind::kSoftTriple) {
        double sum = 0, chosen = 0;
        for (const double v : values) {
          sum += exp((v - value) / margin.numbers[0]);
          chosen += exp((v - value) / margin.numbers[0]) * v;
        }
        value = chosen / sum;
      }
      const bool target = static_cast<size_t>(head.labels[i]) == c;
      if (target && margin.kind == MarginKind::kCosFace) value -= margin.numbers[0];
      if (target && margin.kind == MarginKind::kSoftTriple) value -= margin.numbers[1];
      if (target && margin.kind == MarginKind::kArcFace) value = cos(acos(value) + margin.numbers[0]);
      z[c] = margin.scale * value + (bias.empty() ? 0 : bias[c]);
    }
    const double most = *std::max_element(z.begin(), z.end());
    double sum = 0;
    for (const double value : z) sum += exp(value - most);
    const double log_sum = most + log(sum);
    loss += (1 - head.smoothing) * (log_sum - z[static_cast<size_t>(head.labels[i])]);
    for (const double value : z) loss += head.smoothing / static_cast<double>(head.classes) * (log_sum - value);
  }
  return counted > 0 ? loss / counted : 0;
}

void Near(const Head& head, const Floats& got, Doubles& values, const Doubles& x, const Doubles& w, const Doubles& bias, const char* what) {
  // Logits of size s lose (d + 8)·s·2⁻²⁴; a difference quotient loses 1e-9 of a gradient of size s, and h² of it besides.
  const double tolerance = (static_cast<double>(head.d) + 16) * head.margin.scale * 0x1p-22 + 1e-7;
  for (size_t i = 0; i < values.size(); i++) {
    const double value = values[i], h = 1e-5;
    values[i] = value + h;
    const double above = Oracle(head, x, w, bias);
    values[i] = value - h;
    const double below = Oracle(head, x, w, bias);
    values[i] = value;
    const double expected = (above - below) / (2 * h);
    CHECK(fabs(double(got[i]) - expected) <= tolerance * (1 + fabs(expected)), "%s %s at %zu: %g, not %g", LevelName(CurrentLevel()), what, i, double(got[i]), expected);
  }
}

void AgainstOracle() {
  const Margin margins[] = {
      MarginOf(MarginKind::kSoftmax, 1),
      MarginOf(MarginKind::kNormalizedSoftmax, 10),
      MarginOf(MarginKind::kCosFace, 8, {0.35}),
      MarginOf(MarginKind::kArcFace, 8, {0.5}),
      MarginOf(MarginKind::kCosFace, 8, {0.2}, 3),
      MarginOf(MarginKind::kSoftTriple, 5, {0.3, 0.01}, 2),
  };
  const size_t shapes[][3] = {{1, 1, 1}, {5, 3, 7}, {17, 5, 18}, {3, 2, 130}};
  for (const Margin& margin : margins) {
    for (const auto& [n, d, classes] : shapes) {
      if (d == 1 && margin.kind != MarginKind::kSoftmax) continue;  // nothing but kinks
      for (const double smoothing : {0.0, 0.1}) {
        Head head = HeadOf(margin, n, d, classes);
        head.smoothing = smoothing;
        if (margin.kind == MarginKind::kSoftmax) head.bias = Normals(classes, 3);
        Doubles x(head.x.begin(), head.x.end()), w(head.weights.begin(), head.weights.end()), bias(head.bias.begin(), head.bias.end());
        const double expected = Oracle(head, x, w, bias);
        for (const Level level : Levels()) {
          SetLevel(level);
          Outputs out;
          CHECK(MarginSoftmax(OpOf(head, out), nullptr) == Status::kOk, "status");
          const double tolerance = (static_cast<double>(d) + 16) * margin.scale * 0x1p-22;
          CHECK(fabs(out.result[0] - expected) <= tolerance * (1 + fabs(expected)), "%s loss %g, not %g", LevelName(level), out.result[0], expected);
          Near(head, out.grad_x, x, x, w, bias, "grad_x");
          Near(head, out.grad_weights, w, x, w, bias, "grad_weights");
          Near(head, out.grad_bias, bias, x, w, bias, "grad_bias");
        }
      }
    }
  }
}

Floats Joined(const Outputs& out) {
  Floats all = out.per_example;
  for (const Floats* part : {&out.grad_x, &out.grad_weights, &out.grad_bias}) all.insert(all.end(), part->begin(), part->end());
  for (const double value : out.result) all.push_back(static_cast<float>(value));
  return all;
}

// Several row blocks, depth blocks and chunks, and enough work to wake the pool.
std::vector<Head> LargerHeads() {
  std::vector<Head> heads = {
      HeadOf(MarginOf(MarginKind::kSoftmax, 1), 20, 30, 4000),
      HeadOf(MarginOf(MarginKind::kArcFace, 64, {0.5}), 520, 9, 600),
      HeadOf(MarginOf(MarginKind::kCosFace, 64, {0.35}, 3), 30, 40, 700),
      HeadOf(MarginOf(MarginKind::kCurricularFace, 64, {0.5, 0.2, 0.1}), 5, 780, 600),
      HeadOf(MarginOf(MarginKind::kLSoftmax, 1, {4, 1}), 40, 20, 2600),
  };
  heads[0].bias = Normals(4000, 3);
  for (Head& head : heads) head.smoothing = 0.1;
  return heads;
}

void SameBitsEverywhere() {
  for (Head& head : LargerHeads()) {
    Floats first;
    for (const Level level : Levels()) {
      SetLevel(level);
      Floats one;
      for (const int threads : {1, 2, 3, 8}) {
        SetThreads(threads);
        for (const size_t workspace : {size_t{0}, size_t{1} << 20}) {
          if (workspace == 0 && threads != 2) continue;
          Outputs out;
          CHECK(MarginSoftmax(OpOf(head, out, workspace), nullptr) == Status::kOk, "status");
          const Floats all = Joined(out);
          if (one.empty()) one = all;
          CHECK(SameBits(one, all), "%s, %d threads, %zu bytes", LevelName(level), threads, workspace);
        }
      }
      if (level == Level::kBaseline) continue;
      if (first.empty()) first = one;
      CHECK(SameBits(first, one), "%s", LevelName(level));
    }
  }
}

struct Stored {
  std::vector<uint16_t> weights, state;
};

// A step on some of the rows of bfloat16 weights.
Status Step(Head& head, Stored& stored, const std::atomic<bool>* cancel, Outputs& out) {
  std::vector<int32_t> rows(head.classes);
  for (size_t c = 0; c < rows.size(); c++) rows[c] = static_cast<int32_t>(c * 2 + 1);
  MarginSoftmaxOp op = OpOf(head, out, 0);
  WeightUpdate update{Rule::kSgd, nullptr, stored.state.data(), true, 12345, 0.5, 0.9, 1e-4, 0};
  op.weights = nullptr;
  op.half_weights = stored.weights.data();
  op.rows = rows.data();
  op.grad_weights = nullptr;
  op.update = &update;
  return MarginSoftmax(op, cancel);
}

Stored StoredOf(const Head& head) {
  Stored stored{std::vector<uint16_t>(head.weights.size() * 2), std::vector<uint16_t>(head.weights.size() * 2)};
  const Floats weights = Normals(stored.weights.size(), 4), state = Normals(stored.state.size(), 5);
  CurrentKernels().narrow(weights.data(), weights.size(), stored.weights.data());
  CurrentKernels().narrow(state.data(), state.size(), stored.state.data());
  return stored;
}

// At whatever time a call is aborted, no thread waits for ever, and weights have moved as a whole or not at all.
void Aborts() {
  Head head = HeadOf(MarginOf(MarginKind::kCosFace, 64, {0.35}), 24, 16, 9000);
  SetLevel(DetectedLevel());
  SetThreads(1);
  Outputs expected;
  CHECK(MarginSoftmax(OpOf(head, expected, 0), nullptr) == Status::kOk, "status");
  const Stored before = StoredOf(head);
  Stored after = before;
  CHECK(Step(head, after, nullptr, expected) == Status::kOk && after.weights != before.weights, "status");
  for (size_t i = 0; i < after.weights.size(); i++) {
    if (i / head.d % 2 == 0) CHECK(after.weights[i] == before.weights[i] && after.state[i] == before.state[i], "row %zu moved", i / head.d);
  }
  MarginSoftmax(OpOf(head, expected, 0), nullptr);
  Random random(9);
  size_t aborted = 0, ended = 0;
  for (int round = 0; round < 60; round++) {
    SetThreads(1 + round % 4);
    std::atomic<bool> cancel{false};
    const int pause = static_cast<int>(random.Uniform() * 3000);
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(pause));
      cancel = true;
    });
    Outputs out;
    Stored stored = before;
    const bool step = round % 2 == 1;
    const Status status = step ? Step(head, stored, &cancel, out) : MarginSoftmax(OpOf(head, out, 0), &cancel);
    canceller.join();
    CHECK(status == Status::kOk || status == Status::kAborted, "status");
    (status == Status::kOk ? ended : aborted)++;
    if (step) {
      const Stored& wanted = status == Status::kOk ? after : before;
      CHECK(stored.weights == wanted.weights && stored.state == wanted.state, "weights half moved in round %d", round);
    } else if (status == Status::kOk) {
      CHECK(SameBits(Joined(out), Joined(expected)), "round %d", round);
    }
  }
  CHECK(aborted > 0, "none of %zu calls was aborted", ended);
  std::atomic<bool> cancel{true};
  Outputs out;
  CHECK(MarginSoftmax(OpOf(head, out), &cancel) == Status::kAborted, "cancelled before");
}

void SeveralAtOnce() {
  std::vector<Head> heads = LargerHeads();
  SetThreads(3);
  std::vector<std::thread> callers;
  for (size_t t = 0; t < 3; t++) {
    callers.emplace_back([&heads, t] {
      Outputs first, again;
      MarginSoftmax(OpOf(heads[t], first), nullptr);
      MarginSoftmax(OpOf(heads[t], again), nullptr);
      CHECK(SameBits(Joined(first), Joined(again)), "caller %zu", t);
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace

int main() {
  AgainstOracle();
  SameBitsEverywhere();
  Aborts();
  SeveralAtOnce();
  return 0;
}
