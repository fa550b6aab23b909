// What a margin does to the one column it touches, a scalar function of the row and the class weight, in double; and the numbers
// it keeps for a whole batch. The other columns are the kernels' (ColumnRule).
#pragma once

#include "../api.h"

namespace hypersphere {

// How the logits come about: scale·u·v with u = x or x̂ and v = w or ŵ.
struct Space {
  bool unit_x, unit_w;
  double scale;
};
Space SpaceOf(const Margin& margin);
ColumnRule RuleOf(const Margin& margin);

// Whether the loss is a mean over all entries instead of a softmax.
bool Binary(const Margin& margin);

// A row and the k weight rows of its class, from products in double. The cosines lie in [−1, 1].
struct Target {
  const double* dots;  // [k] u·v
  const double* cosines;
  double norm_x;
  double norm_w;  // of the first; only margins without sub-centers use it
};

// The target's logit and its derivatives: towards each u·v, and towards ‖x‖ and ‖w‖ at fixed direction, which are added along
// x̂ and ŵ behind the normalisation. caffe_weight: what w gets in place of `along`, if it differs.
struct TargetLogit {
  double value;
  double along_x, along_w;
  double caffe_weight;
};

// Numbers of the batch that the margin's targets depend on, and what the next batch starts from.
struct BatchNumbers {
  double mean, deviation;  // adaFace: running, of the clipped norms
  double t;                // curricularFace
  double state[2];
};
// `norms` [n], `cosines` [n, k].
BatchNumbers NumbersOf(const Margin& margin, const double* norms, const double* cosines, const int32_t* labels, size_t n);

// `along` has k entries.
TargetLogit TargetOf(const Margin& margin, const BatchNumbers& batch, const Target& target, double* along);

// Of a class's k cosines the one that counts: the first of the greatest, a NaN only where all are.
double BestCosine(const Margin& margin, const double* cosines);

// curricularFace: columns of a greater cosine are hard.
double HardThreshold(const Margin& margin, double cosine);

// magFace: a/uA² + 1/a of the clipped norm a, and its derivative.
double Regularizer(const Margin& margin, double norm, double& slope);

}  // namespace hypersphere
