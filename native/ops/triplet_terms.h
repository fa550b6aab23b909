// What all forms of the batch triplet loss share, on CPU and device: the bands of the rules that take all triplets of one, and a triplet's term.
#pragma once

#include "../host_device.h"
#include "../api.h"
#include "../scalar/math.h"

namespace hypersphere {

// gap = d_an − d_ap
HYPERSPHERE_HOST_DEVICE inline bool Inside(Mining mining, double gap, double margin) {
  switch (mining) {
    case Mining::kViolating: return gap < margin;
    case Mining::kSemiHard: return (gap > 0) & (gap <= margin);
    case Mining::kHard: return gap <= 0;
    case Mining::kEasy: return gap > margin;
    default: return true;
  }
}

HYPERSPHERE_HOST_DEVICE inline bool Infinite(float apart) { return apart == __builtin_inff(); }

struct TripletTerm {
  double value, slope;
  bool active;
};

// Of excess = d_ap − d_an + margin: the hinge, or softplus.
HYPERSPHERE_HOST_DEVICE inline TripletTerm TermOf(double excess, bool soft) {
  constexpr double kLeastExponent = -745.1332191019412;  // of an exponential that is not 0 in float64
  const bool positive = excess > 0;
  if (!soft) return {excess <= 0 ? 0 : excess, positive ? 1.0 : 0.0, positive};
  const double power = scalar::Exp(positive ? -excess : excess), tail = scalar::Log1p(power);
  return {positive ? excess + tail : tail, (positive ? 1 : power) / (1 + power), excess > kLeastExponent};
}

HYPERSPHERE_HOST_DEVICE inline double TripletScale(TermReduction reduction, double triplets, double active) {
  const double terms = reduction == TermReduction::kSum ? 1 : reduction == TermReduction::kMean ? triplets : active;
  return 1 / (terms > 1 ? terms : 1);
}

}  // namespace hypersphere
