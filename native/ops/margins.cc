#include "margins.h"

#include "../scalar/math.h"

namespace hypersphere {
namespace {

using scalar::Acos;
using scalar::Cos;
using scalar::kPi;
using scalar::Pow;
using scalar::Sin;

enum Overflow { kNone, kLinear, kEasy, kClip };
enum Variant { kV0, kV1, kV2 };
enum Binary2 { kC, kA, kM };
enum Gradient { kExact, kStraightThrough, kCaffe };

// Below this sin²θ a row and its class are parallel to float32: the slope's limit is infinite there, and the tangential direction
// it would multiply is zero.
constexpr double kParallel = 1e-14;
// AdaFace's head clips cosines, angles and norms.
constexpr double kAdaCosine = 1 - 1e-3, kAdaAngle = 1e-3, kAdaShortest = 1e-3, kAdaLongest = 100, kAdaEps = 1e-3;

double Clip(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

struct OnCosine {
  double value, slope;
};

// d cos(m1·θ + m2) / d cosθ; where x ∥ w the finite m1² cos m2 stands in.
double AngularSlope(double m1, double m2, double c) {
  const double square = 1 - c * c;
  return square < kParallel ? m1 * m1 * Cos(m2) : m1 * Sin(m1 * Acos(c) + m2) / __builtin_sqrt(square);
}

// ψ = (−1)^k T_m(c) − 2k and its derivative (−1)^k m U_{m−1}(c), by the Chebyshev recurrences: no singularity at c = ±1.
OnCosine Psi(int m, double c) {
  double before = 1, first = c, second_before = 0, second = 1;
  for (int j = 1; j < m; j++) {
    const double next = 2 * c * first - before, second_next = 2 * c * second - second_before;
    before = first;
    first = next;
    second_before = second;
    second = second_next;
  }
  int k = 0;
  while (k < m - 1 && c < Cos((k + 1) * kPi / m)) k++;
  const double sign = k % 2 == 0 ? 1 : -1;
  return {sign * first - 2 * k, sign * m * second};
}

OnCosine ArcFace(const Margin& margin, double c) {
  const double m = margin.numbers[0], angle = Acos(c) + m;
  const bool exact = margin.gradient == kExact;
  if (margin.choice == kLinear && angle >= kPi) return {c - m * Sin(m), 1};
  if (margin.choice == kEasy && c <= 0) return {c, 1};
  const double last = kPi - margin.numbers[1];
  if (margin.choice == kClip && angle > last) return {Cos(last), exact ? 0.0 : 1.0};
  return {Cos(angle), exact ? AngularSlope(1, m, c) : 1};
}

// Real m: ψ with k = floor(mθ/π), cos(min(mθ, π)), or the plain cosine where the others' angles are divided instead.
OnCosine SphereFaceR(const Margin& margin, double c) {
  const double m = margin.numbers[0], angle = m * Acos(c);
  const bool exact = margin.gradient == kExact;
  if (margin.choice == kV2) return {c, 1};
  if (margin.choice == kV1) {
    const bool beyond = angle > kPi;
    return {Cos(beyond ? kPi : angle), !exact ? 1 : beyond ? 0 : AngularSlope(m, 0, c)};
  }
  const int64_t k = angle == angle ? static_cast<int64_t>(angle / kPi) : 0;
  const double sign = k % 2 == 0 ? 1 : -1;
  return {sign * Cos(angle) - 2 * static_cast<double>(k), exact ? sign * AngularSlope(m, 0, c) : 1};
}

// g(u) = 2((u + 1)/2)^t − 1 of the cosine with its margin.
OnCosine SphereFace2(const Margin& margin, double c) {
  const double m = margin.numbers[2], t = margin.numbers[3];
  double u = c, slope = 1;
  if (margin.choice != kC) {
    const double factor = margin.choice == kM ? m : 1, added = margin.choice == kM ? 0 : m, angle = factor * Acos(c) + added;
    u = Cos(angle >= kPi ? kPi : angle);
    slope = angle >= kPi ? 0 : AngularSlope(factor, added, c);
  }
  const double half = Clip((u + 1) / 2, 0, 1);
  const double value = 2 * Pow(half, t) - 1 - (margin.choice == kC ? m : 0);
  return {value, margin.gradient == kExact ? (t == 1 ? 1 : t * Pow(half, t - 1)) * slope : 1};
}

OnCosine AdaFace(const Margin& margin, const BatchNumbers& batch, double c, double norm) {
  const double m = margin.numbers[0], clipped = Clip(c, -kAdaCosine, kAdaCosine);
  const double q = Clip(margin.numbers[1] * (Clip(norm, kAdaShortest, kAdaLongest) - batch.mean) / (batch.deviation + kAdaEps), -1, 1);
  const double shift = -m * q, angle = Acos(clipped) + shift;
  const bool inside = clipped == c && angle >= kAdaAngle && angle <= kPi - kAdaAngle;
  return {Cos(Clip(angle, kAdaAngle, kPi - kAdaAngle)) - m * (1 + q), inside ? AngularSlope(1, shift, c) : 0};
}

// Besides the slope on the cosine there is one on the norm, through the margin.
OnCosine MagFace(const Margin& margin, double c, double norm, double& on_norm) {
  const double low = margin.numbers[0], high = margin.numbers[1], least = margin.numbers[2];
  const double rate = (margin.numbers[3] - least) / (high - low), m = least + rate * (Clip(norm, low, high) - low);
  const double moves = norm >= low && norm <= high ? rate : 0;
  const bool easy = margin.choice != 0;
  if (easy ? c > 0 : c > Cos(kPi - m)) {
    const double angle = Acos(c) + m;
    on_norm = -Sin(angle) * moves;
    return {Cos(angle), AngularSlope(1, m, c)};
  }
  on_norm = easy ? 0 : -(Sin(m) + m * Cos(m)) * moves;
  return {easy ? c : c - m * Sin(m), 1};
}

size_t BestOf(const double* cosines, size_t k) {
  size_t best = 0;
  for (size_t r = 1; r < k; r++) {
    if (cosines[r] > cosines[best] || (cosines[best] != cosines[best] && cosines[r] == cosines[r])) best = r;
  }
  return best;
}

// S = Σ softmax(c/γ)·c over the class's columns, and ∂S/∂c_r.
double SoftlyChosen(const double* cosines, size_t k, double gamma, double* slopes) {
  const double most = cosines[BestOf(cosines, k)];
  double sum = 0, chosen = 0;
  for (size_t r = 0; r < k; r++) {
    slopes[r] = scalar::Exp((cosines[r] - most) / gamma);
    sum += slopes[r];
    chosen += slopes[r] * cosines[r];
  }
  chosen /= sum;
  for (size_t r = 0; r < k; r++) slopes[r] = slopes[r] / sum * (1 + (cosines[r] - chosen) / gamma);
  return chosen;
}

// (λ u·v + ‖u‖‖v‖ψ(θ)) / (1 + λ), Liu et al. 2016, eq. 4–6; with unit v SphereFace, Liu et al. 2017, eq. 7.
TargetLogit Multiplicative(const Margin& margin, const Target& target, double* along) {
  const double lambda = margin.numbers[1], dot = target.dots[0], c = target.cosines[0];
  const int m = static_cast<int>(margin.numbers[0]);
  const double norm_v = margin.kind == MarginKind::kASoftmax ? 1 : target.norm_w;
  *along = 1;
  if (m == 1) return {dot, 0, 0, 1};
  const OnCosine psi = Psi(m, c);
  const double value = (lambda * dot + target.norm_x * norm_v * psi.value) / (1 + lambda);
  if (margin.gradient == kStraightThrough) return {value, 0, 0, 1};
  const double radial = psi.value - c * psi.slope;
  if (margin.gradient == kCaffe) {
    // The layer writes ∂(‖x‖ψ)/∂x as a·ŵ + b·x and divides the pair by its length before it blends with λ; w moves as without margin.
    // Both terms are taken times ‖x‖, so that a row of zeros needs no case of its own.
    const double a = psi.slope * target.norm_x, share = target.norm_x / (__builtin_sqrt(a * a + radial * radial) * (1 + lambda));
    *along = lambda / (1 + lambda) + psi.slope * share;
    return {value, radial * share, 0, 1};
  }
  *along = (lambda + psi.slope) / (1 + lambda);
  return {value, radial * norm_v / (1 + lambda), radial * target.norm_x / (1 + lambda), *along};
}

}  // namespace

Space SpaceOf(const Margin& margin) {
  switch (margin.kind) {
    case MarginKind::kSoftmax:
    case MarginKind::kLSoftmax:
      return {false, false, 1};
    case MarginKind::kASoftmax:
      return {false, true, 1};
    case MarginKind::kSphereFace2:
    case MarginKind::kP2sGrad:
    case MarginKind::kSoftTriple:
      return {true, true, 1};
    default:
      return {true, true, margin.scale};
  }
}

bool Binary(const Margin& margin) { return margin.kind == MarginKind::kSphereFace2 || margin.kind == MarginKind::kP2sGrad; }

ColumnRule RuleOf(const Margin& margin) {
  ColumnRule rule{};
  rule.pooling = margin.k > 1 ? Pooling::kBest : Pooling::kOne;
  rule.k = margin.k;
  rule.straight_through = margin.gradient != kExact;
  const float scale = static_cast<float>(margin.scale);
  const auto number = [&](size_t i) { return static_cast<float>(margin.numbers[i]); };
  switch (margin.kind) {
    case MarginKind::kAdaFace:
      rule.columns = Columns::kClamped;
      rule.numbers[0] = static_cast<float>(margin.scale * kAdaCosine);
      break;
    case MarginKind::kCurricularFace:
      rule.columns = Columns::kHardened;
      rule.numbers[0] = 1 / scale;
      break;  // numbers[1] is t, which the batch decides
    case MarginKind::kSphereFaceR:
      if (margin.choice != kV2) break;
      rule.columns = Columns::kDivided;
      rule.numbers[0] = scale;
      rule.numbers[1] = number(0);
      break;
    case MarginKind::kSoftTriple:
      rule.pooling = Pooling::kSoft;
      rule.soft_scale = scale;
      rule.inverse_gamma = static_cast<float>(1 / margin.numbers[0]);
      break;
    case MarginKind::kSphereFace2:
      // Everything but the target: z = r(g(c) + m) + bias, the m of variant C alone; the bias comes with the block.
      rule.columns = Columns::kBinary;
      rule.numbers[0] = number(1);
      rule.numbers[1] = margin.choice == kC ? number(2) : 0;
      rule.numbers[2] = number(3);
      rule.numbers[4] = static_cast<float>(1 - margin.numbers[0]);
      break;
    case MarginKind::kP2sGrad:
      rule.columns = Columns::kSquared;
      break;
    default:
      break;
  }
  return rule;
}

double BestCosine(const Margin& margin, const double* cosines) { return cosines[BestOf(cosines, margin.k)]; }

BatchNumbers NumbersOf(const Margin& margin, const double* norms, const double* cosines, const int32_t* labels, size_t n) {
  BatchNumbers batch{};
  double count = 0, sum = 0;
  if (margin.kind == MarginKind::kAdaFace) {
    const auto clipped = [&](size_t i) { return Clip(norms[i], kAdaShortest, kAdaLongest); };
    for (size_t i = 0; i < n; i++) {
      if (labels[i] == kIgnored) continue;
      count++;
      sum += clipped(i);
    }
    const double mean = sum / count, share = margin.numbers[2];
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
      if (labels[i] != kIgnored) squares += (clipped(i) - mean) * (clipped(i) - mean);
    }
    // One row has no deviation: the running one stays.
    batch.mean = count > 0 ? share * mean + (1 - share) * margin.numbers[3] : margin.numbers[3];
    batch.deviation = count > 1 ? share * __builtin_sqrt(squares / (count - 1)) + (1 - share) * margin.numbers[4] : margin.numbers[4];
    batch.state[0] = batch.mean;
    batch.state[1] = batch.deviation;
  } else if (margin.kind == MarginKind::kCurricularFace) {
    for (size_t i = 0; i < n; i++) {
      if (labels[i] == kIgnored) continue;
      count++;
      sum += BestCosine(margin, cosines + i * margin.k);
    }
    const double momentum = margin.numbers[2], t = margin.numbers[1];
    batch.t = count > 0 ? momentum * (sum / count) + (1 - momentum) * t : t;
    batch.state[0] = batch.t;
  }
  return batch;
}

TargetLogit TargetOf(const Margin& margin, const BatchNumbers& batch, const Target& target, double* along) {
  if (margin.kind == MarginKind::kLSoftmax || margin.kind == MarginKind::kASoftmax) return Multiplicative(margin, target, along);
  const double s = margin.scale;
  if (margin.kind == MarginKind::kSoftTriple) {
    const double chosen = SoftlyChosen(target.cosines, margin.k, margin.numbers[0], along);
    for (size_t r = 0; r < margin.k; r++) along[r] *= s;
    return {s * (chosen - margin.numbers[1]), 0, 0, *along};
  }
  const size_t best = BestOf(target.cosines, margin.k);
  for (size_t r = 0; r < margin.k; r++) along[r] = 0;
  const double c = target.cosines[best];
  OnCosine at{c, 1};
  double scale = s, on_norm = 0;
  switch (margin.kind) {
    case MarginKind::kSoftmax:
      at.value = target.dots[0];
      break;
    case MarginKind::kCosFace:
      at.value = c - margin.numbers[0];
      break;
    case MarginKind::kArcFace:
      at = ArcFace(margin, c);
      break;
    case MarginKind::kCombinedMargin: {
      const double m1 = margin.numbers[0], m2 = margin.numbers[1];
      at = {Cos(m1 * Acos(c) + m2) - margin.numbers[2], margin.gradient == kExact ? AngularSlope(m1, m2, c) : 1};
      break;
    }
    case MarginKind::kSphereFaceR:
      at = SphereFaceR(margin, c);
      break;
    case MarginKind::kSphereFace2:
      at = SphereFace2(margin, c);
      scale = margin.numbers[1];
      break;
    case MarginKind::kAdaFace:
      at = AdaFace(margin, batch, c, target.norm_x);
      break;
    case MarginKind::kMagFace:
      at = MagFace(margin, c, target.norm_x, on_norm);
      break;
    case MarginKind::kCurricularFace: {
      Margin linear = margin;
      linear.choice = kLinear;
      at = ArcFace(linear, c);
      break;
    }
    default:
      break;
  }
  along[best] = scale * at.slope;
  return {scale * at.value, scale * on_norm, 0, along[best]};
}

double HardThreshold(const Margin& margin, double cosine) { return Cos(Acos(cosine) + margin.numbers[0]); }

double Regularizer(const Margin& margin, double norm, double& slope) {
  const double low = margin.numbers[0], high = margin.numbers[1], a = Clip(norm, low, high);
  slope = norm >= low && norm <= high ? 1 / (high * high) - 1 / (a * a) : 0;
  return a / (high * high) + 1 / a;
}

}  // namespace hypersphere
