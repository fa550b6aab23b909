#include "triplet_powers.h"

#include "../scalar/math.h"

namespace hypersphere {
namespace {

// Whole powers up to this one are products.
constexpr double kMostMultiplied = 64;

double SizeOf(double x) { return x < 0 ? -x : x; }

class Norm {
 public:
  Norm(const TripletRows& of) : d_(of.d), p_(of.p), eps_(of.eps) {}

  double Difference(const float* u, const float* v, size_t k) const { return static_cast<double>(u[k]) - static_cast<double>(v[k]) + eps_; }

  // The largest term is taken out first: its p-th power alone may be beyond double, or below it.
  double Of(const float* u, const float* v) const {
    double largest = 0;
    for (size_t k = 0; k < d_; k++) {
      const double term = SizeOf(Difference(u, v, k));
      if (term > largest || term != term) largest = term;
      if (term != term) break;
    }
    if (largest == 0 || largest - largest != 0) return largest;
    double sum = 0;
    for (size_t k = 0; k < d_; k++) sum += Power(SizeOf(Difference(u, v, k)) / largest, p_);
    return largest * Power(sum, 1 / p_);
  }

  // ∂‖·‖ by the difference.
  double Slope(double difference, double norm) const {
    if (!(norm > 0) || difference == 0) return 0;
    const double size = Power(SizeOf(difference) / norm, p_ - 1);
    return difference < 0 ? -size : size;
  }

 private:
  static double Power(double x, double t) {
    if (t == 0.5) return __builtin_sqrt(x);
    if (!(t <= kMostMultiplied && t == static_cast<double>(static_cast<int>(t)))) return scalar::Pow(x, t);
    double power = 1;
    for (int left = static_cast<int>(t); left > 0; left /= 2, x *= x) power = left % 2 == 1 ? power * x : power;
    return power;
  }

  size_t d_;
  double p_, eps_;
};

}  // namespace

void TripletPowerRows(const TripletRows& block) {
  const size_t d = block.d;
  const Norm norm(block);
  for (size_t i = 0; i < block.rows; i++) {
    const size_t at = i * d;
    const float *anchor = block.anchor + at, *positive = block.positive + at, *negative = block.negative + at;
    const double near = norm.Of(anchor, positive), far = norm.Of(anchor, negative);
    const double across = block.swap ? norm.Of(positive, negative) : scalar::kInfinity;
    const bool crossed = across < far;
    // The least of the two, and NaN if either is.
    const double gap = near - (crossed || across != across ? across : far) + block.margin, value = gap <= 0 ? 0 : gap;
    block.values[i] = value;
    block.per_example[i] = static_cast<float>(value);
    const auto store = [=](float* grad, size_t k, double slope) {
      if (grad != nullptr) grad[at + k] = static_cast<float>(slope);
    };
    for (size_t k = 0; k < d; k++) {
      double pull = value, push = value, both = value;  // 0, or no number
      if (value > 0) {
        pull = block.scale * norm.Slope(norm.Difference(anchor, positive, k), near);
        push = block.scale * norm.Slope(norm.Difference(crossed ? positive : anchor, negative, k), crossed ? across : far);
        both = crossed ? -pull - push : pull - push;
      }
      store(block.grad_anchor, k, crossed ? pull : both);
      store(block.grad_positive, k, crossed ? both : -pull);
      store(block.grad_negative, k, push);
    }
  }
}

}  // namespace hypersphere
