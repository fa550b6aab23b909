// The weights by which negatives are drawn (Wu et al. 2017, section 4): 1/q(d), where q(d) ∝ dᴰ⁻²·(1 − d²/4)^((D−3)/2) is how distances between uniform
// points of the unit sphere are distributed. Their logarithms are cubics between nodes and their powers a table's beside a short series, in plain float64:
// right to some 1e-12·D, which a draw of 32 bits hardly tells for D in the thousands, the same bits at every level, and a tenth of the time of two logarithms and a power.
#pragma once

#include "../scalar/math.h"
#include "workspace.h"

namespace hypersphere {

class DistanceWeights {
 public:
  // Distances below the first count as it, so that no weight explodes; beyond the end a margin loss has no gradient.
  static constexpr double kCutoff = 0.5, kEnd = 1.4;

  explicit DistanceWeights(Workspace& space, bool wanted) : space_(space), cubics_place_(space.Add<Cubic>(wanted ? kCubics : 0)) {}

  // After the workspace's allocation: for rows of d components.
  void Prepare(double d) {
    static const Logarithms of;
    cubics_ = space_.At<Cubic>(cubics_place_);
    const double own = 2 - d, rest = (3 - d) / 2;
    const auto value = [&](size_t t) { return own * of.distance[t] + rest * of.remainder[t]; };
    // Over a step between nodes.
    const auto slope = [&](size_t t) {
      const double at = Node(t);
      return (own / at - rest * (at / 2) / (1 - at * at / 4)) / kPerUnit;
    };
    for (size_t t = 0; t < kCubics; t++) {
      const double rise = value(t + 1) - value(t), first = slope(t), last = slope(t + 1);
      cubics_[t] = {value(t), first, 3 * rise - 2 * first - last, first + last - 2 * rise};
    }
  }

  // log 1/q of a distance below kEnd.
  double LogOf(float distance) const {
    const double wide = static_cast<double>(distance), at = ((wide > kCutoff ? wide : kCutoff) - kCutoff) * kPerUnit;
    const size_t t = static_cast<size_t>(at);
    const double s = at - static_cast<double>(t);
    const Cubic& of = cubics_[t];
    return of.value + s * (of.slope + s * (of.square + s * of.cube));
  }

  // e^x for x ≤ 0: 2^(n/64) and the series of what is left.
  static double PowerOf(double x) {
    static const Powers of;
    if (x < -700) return 0;
    const double n = scalar::Round(x * (64 * 1.44269504088896340736));
    const double r = (x - n * (0x1.62e42fee00000p-1 / 64)) - n * (0x1.a39ef35793c76p-33 / 64);
    const double series = 1 + r * (1 + r * (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120)))));
    const int steps = static_cast<int>(n);
    return series * of.power[steps & 63] * scalar::PowerOfTwo(steps >> 6);
  }

 private:
  static constexpr double kPerUnit = 1024;
  static constexpr size_t kCubics = 922;  // to 1.4004

  static double Node(size_t t) { return kCutoff + static_cast<double>(t) / kPerUnit; }

  struct Cubic {
    double value, slope, square, cube;
  };
  struct Logarithms {
    double distance[kCubics + 1], remainder[kCubics + 1];
    Logarithms() {
      for (size_t t = 0; t <= kCubics; t++) {
        distance[t] = scalar::Log(Node(t));
        remainder[t] = scalar::Log(1 - Node(t) * Node(t) / 4);
      }
    }
  };
  struct Powers {
    double power[64];
    Powers() {
      for (int n = 0; n < 64; n++) power[n] = scalar::Exp(n * (0.69314718055994530942 / 64));
    }
  };

  Workspace& space_;
  size_t cubics_place_;
  Cubic* cubics_ = nullptr;
};

}  // namespace hypersphere
