// Contrastive and triplet loss of given rows and proxy-anchor against float64 oracles at every level, and by central differences of these;
// their bits at every level with FMA and any number of threads; calls that are cancelled.
#include <math.h>

#include <atomic>
#include <functional>

#include "../../native/ops/ops.h"
#include "../../native/threads/pool.h"
#include "check.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

// What a loss is computed of: sides [rows, d], of which the last may have other rows than the first.
struct Case {
  size_t n, d, others;
  std::vector<Floats> sides;
  std::vector<int32_t> labels;
};

struct Result {
  Status status;
  double loss;
  Floats rows;
  std::vector<Floats> gradients;
};

struct Loss {
  const char* name;
  size_t sides;
  std::function<Status(const Case&, Result&, const std::atomic<bool>*)> run;
  std::function<double(const Case&, const std::vector<Doubles>&)> value;
  bool proxies;
};

double Norm(const Doubles& u, const Doubles& v, size_t i, size_t d, double p, double eps) {
  double sum = 0;
  for (size_t k = i * d; k < (i + 1) * d; k++) sum += pow(fabs(u[k] - v[k] + eps), p);
  return pow(sum, 1 / p);
}

double Cosine(const Doubles& u, size_t i, const Doubles& v, size_t j, size_t d) {
  double dot = 0, a = 0, b = 0;
  for (size_t k = 0; k < d; k++) {
    dot += u[i * d + k] * v[j * d + k];
    a += u[i * d + k] * u[i * d + k];
    b += v[j * d + k] * v[j * d + k];
  }
  return dot / sqrt(a * b);
}

Loss Contrastive(double margin) {
  const auto run = [=](const Case& of, Result& result, const std::atomic<bool>* cancel) {
    ContrastiveOp op{};
    op.rows = {of.sides[0].data(), of.sides[1].data(), of.labels.data(), nullptr, result.rows.data(), result.gradients[0].data(),
               result.gradients[1].data(), of.n, of.d, margin, 1 / double(of.n)};
    op.loss = &result.loss;
    return hypersphere::Contrastive(op, cancel);
  };
  const auto value = [=](const Case& of, const std::vector<Doubles>& x) {
    double sum = 0;
    for (size_t i = 0; i < of.n; i++) {
      const double distance = Norm(x[0], x[1], i, of.d, 2, 0), gap = fmax(margin - distance, 0);
      sum += (of.labels[i] == 1 ? distance * distance : gap * gap) / 2;
    }
    return sum / double(of.n);
  };
  return {"contrastive", 2, run, value, false};
}

Loss Triplet(const char* name, bool root, double p, double eps, bool swap) {
  const auto run = [=](const Case& of, Result& result, const std::atomic<bool>* cancel) {
    TripletOp op{};
    op.rows = {of.sides[0].data(), of.sides[1].data(), of.sides[2].data(), nullptr, result.rows.data(), result.gradients[0].data(),
               result.gradients[1].data(), result.gradients[2].data(), of.n, of.d, 0.5, p, eps, 1 / double(of.n), root, swap};
    op.loss = &result.loss;
    return hypersphere::Triplet(op, cancel);
  };
  const auto value = [=](const Case& of, const std::vector<Doubles>& x) {
    double sum = 0;
    for (size_t i = 0; i < of.n; i++) {
      const auto apart = [&](size_t u, size_t v) {
        const double norm = Norm(x[u], x[v], i, of.d, p, eps);
        return root ? norm : norm * norm;
      };
      const double far = apart(0, 2), least = swap ? fmin(far, apart(1, 2)) : far;
      sum += fmax(apart(0, 1) - least + 0.5, 0);
    }
    return sum / double(of.n);
  };
  return {name, 3, run, value, false};
}

Loss ProxyAnchorLoss(double alpha) {
  const auto run = [=](const Case& of, Result& result, const std::atomic<bool>* cancel) {
    return ProxyAnchor({of.sides[0].data(), of.sides[1].data(), of.labels.data(), &result.loss, result.gradients[0].data(),
                        result.gradients[1].data(), of.n, of.d, of.others, 0.1, alpha}, cancel);
  };
  const auto value = [=](const Case& of, const std::vector<Doubles>& x) {
    double own = 0, others = 0, touched = 0;
    for (size_t c = 0; c < of.others; c++) {
      double positive = 0, negative = 0;
      bool any = false;
      for (size_t i = 0; i < of.n; i++) {
        const double cosine = Cosine(x[0], i, x[1], c, of.d);
        const bool mine = of.labels[i] == int32_t(c);
        any = any || mine;
        (mine ? positive : negative) += mine ? exp(-alpha * (cosine - 0.1)) : exp(alpha * (cosine + 0.1));
      }
      touched += any ? 1 : 0;
      own += log1p(positive);
      others += log1p(negative);
    }
    return own / fmax(touched, 1) + others / fmax(double(of.others), 1);
  };
  return {"proxy-anchor", 2, run, value, true};
}

Case Make(const Loss& loss, size_t n, size_t d, size_t others, uint32_t seed) {
  Case of{n, d, loss.proxies ? others : n, {}, {}};
  for (size_t s = 0; s < loss.sides; s++) of.sides.push_back(Normals((s == 0 ? n : of.others) * d, seed + static_cast<uint32_t>(s), 0.4f));
  for (size_t i = 0; i < n; i++) of.labels.push_back(static_cast<int32_t>(i * 7 % (loss.proxies ? others : 2)));
  return of;
}

Result Run(const Loss& loss, const Case& of, const std::atomic<bool>* cancel = nullptr) {
  Result result{Status::kOk, -7, Floats(of.n, -7), {}};
  for (const Floats& side : of.sides) result.gradients.push_back(Floats(side.size(), -7));
  result.status = loss.run(of, result, cancel);
  return result;
}

bool Same(const Result& a, const Result& b) {
  bool same = memcmp(&a.loss, &b.loss, sizeof(double)) == 0 && SameBits(a.rows, b.rows);
  for (size_t s = 0; s < a.gradients.size(); s++) same = same && SameBits(a.gradients[s], b.gradients[s]);
  return same;
}

void Values(const Loss& loss, const Case& of) {
  std::vector<Doubles> x;
  for (const Floats& side : of.sides) x.push_back(Doubles(side.begin(), side.end()));
  const double expected = loss.value(of, x);
  Result first{};
  for (const Level level : Levels()) {
    SetLevel(level);
    SetThreads(1);
    const Result result = Run(loss, of);
    CHECK(result.status == Status::kOk, "%s", loss.name);
    const double limit = 8 * double(of.d + 16) * 0x1p-24 * (1 + fabs(expected));
    CHECK(fabs(result.loss - expected) <= limit, "%s %s of %zu, %zu: %.9g, not %.9g", LevelName(level), loss.name, of.n, of.d, result.loss, expected);
    for (const int threads : {2, 3, 8}) {
      SetThreads(threads);
      CHECK(Same(Run(loss, of), result), "%s %s with %d threads", LevelName(level), loss.name, threads);
    }
    if (level == Level::kBaseline) continue;
    if (first.gradients.empty()) first = result;
    CHECK(Same(first, result), "%s %s", LevelName(level), loss.name);
  }
}

// Central differences of the oracle.
void Gradient(const Loss& loss, const Case& of) {
  SetLevel(DetectedLevel());
  SetThreads(2);
  const Result result = Run(loss, of);
  std::vector<Doubles> x;
  for (const Floats& side : of.sides) x.push_back(Doubles(side.begin(), side.end()));
  constexpr double kStep = 1e-6;
  for (size_t s = 0; s < x.size(); s++) {
    for (size_t at = 0; at < x[s].size(); at++) {
      const double from = x[s][at];
      x[s][at] = from + kStep;
      const double above = loss.value(of, x);
      x[s][at] = from - kStep;
      const double slope = (above - loss.value(of, x)) / (2 * kStep);
      x[s][at] = from;
      CHECK(fabs(double(result.gradients[s][at]) - slope) <= 1e-4 * (1e-2 + fabs(slope)), "%s, side %zu at %zu: %g, not %g", loss.name, s, at,
            double(result.gradients[s][at]), slope);
    }
  }
}

}  // namespace

int main() {
  const std::vector<Loss> losses = {Contrastive(2),
                                    Triplet("squared triplet", false, 2, 0, false),
                                    Triplet("squared triplet with swap", false, 2, 0, true),
                                    Triplet("triplet", true, 2, 1e-6, false),
                                    Triplet("triplet with swap", true, 2, 0, true),
                                    Triplet("triplet by the 3-norm", true, 3, 1e-6, true),
                                    Triplet("triplet by the 1.5-norm", true, 1.5, 0, false),
                                    ProxyAnchorLoss(8)};
  for (const Loss& loss : losses) {
    for (const size_t n : {1, 15, 16, 17, 65}) {
      for (const size_t d : {1, 5, 17, 128}) Values(loss, Make(loss, n, d, 1 + n / 2, static_cast<uint32_t>(n + d)));
    }
    Values(loss, Make(loss, 3000, 17, 40, 5));          // more blocks of rows than one
    Values(loss, Make(loss, 5, size_t{1} << 16, 33, 6));  // of proxies, too
    Gradient(loss, Make(loss, 9, 4, 5, 7));
    const std::atomic<bool> cancel{true};
    CHECK(Run(loss, Make(loss, 300, 8, 9, 3), &cancel).status == Status::kAborted, "%s", loss.name);
  }
  printf("given rows: ok\n");
}
