// The part of api.h on softmax: what the classification heads and the cross-entropies take, and what their kernels get of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hypersphere {

// In the order of `kinds` in lib/native/softmax.ts. Sub-centers are a margin with k > 1.
enum class MarginKind {
  kSoftmax,
  kNormalizedSoftmax,
  kLSoftmax,
  kASoftmax,
  kCosFace,
  kArcFace,
  kCombinedMargin,
  kSphereFaceR,
  kSphereFace2,
  kAdaFace,
  kMagFace,
  kCurricularFace,
  kSoftTriple,
  kP2sGrad
};

constexpr size_t kMarginNumbers = 5;
struct Margin {
  MarginKind kind;
  int choice;    // overflow of arcFace; variant of sphereFaceR and sphereFace2; easyMargin of magFace
  int gradient;  // exact, straightThrough, caffe
  size_t k;      // rows of weights a class, at most kSoftmaxCols
  double scale;  // of what enters the softmax
  double numbers[kMarginNumbers];  // ops/margins.h says which
};

enum class Reduction { kMean, kSum, kNone };

enum class Rule { kSgd, kAdaGrad };

// How the weights move in place: see WeightUpdate in lib/ops/softmax.ts.
struct WeightUpdate {
  Rule rule;
  float* state;  // like the weights, or null; one of the two
  uint16_t* half_state;
  bool stochastic;  // rounding of bfloat16, from `seed`
  uint32_t seed;
  double learning_rate, momentum, weight_decay, eps;
};

// out [n, classes] = softmax(logits / temperature), or with grad_output the gradient of Σ out·grad_output.
struct SoftmaxOp {
  const float* logits;
  const float* grad_output;  // or null
  float* out;
  size_t n, classes;
  double temperature;
};

// out [n, classes]: 1 at the largest logit of each row, else 0.
struct HardmaxOp {
  const float* logits;
  float* out;
  size_t n, classes;
};

// Of each row the largest logit less the label's, or with a margin [the largest other one less the label's + margin]₊. Labels lie in [0, classes):
// the caller has checked its own copy of them.
struct HardmaxLossOp {
  const float* logits;
  const int32_t* labels;
  float* per_example;
  float* grad_logits;  // or null
  double* loss;
  size_t n, classes;
  bool hinge;
  double margin;
  Reduction reduction;
};

// Cross-entropy on logits [n, classes]; labels as below.
struct CrossEntropyOp {
  const float* logits;
  const int32_t* labels;
  const float* class_weights;
  const float* grad_output;
  float* per_example;
  float* grad_logits;  // or null
  double* loss;
  size_t n, classes;
  Reduction reduction;
  double label_smoothing;
};

// What shards of a head agree on between the passes: see Exchange in lib/ops/softmax.ts.
enum class Phase { kBoth, kForward, kBackward };
constexpr size_t kStatistics = 4;
constexpr size_t kMaxStatistic = 0, kSumStatistic = 1, kSpreadStatistic = 2, kTargetStatistic = 3;

// The label of a row that counts nowhere, and of one whose class another shard has.
constexpr int32_t kIgnored = -2, kElsewhere = -1;

// A linear layer with a margin, then softmax cross-entropy (or the binary losses of sphereFace2 and p2sGrad). Labels lie in
// [0, classes) or are one of the two above: the caller has checked its own copy of them.
struct MarginSoftmaxOp {
  const float* x;
  float* weights;  // [all classes·k, d]; one of the two. Written to with `update` only.
  uint16_t* half_weights;
  const int32_t* rows;  // [classes] ascending: class c is class rows[c] of the weights; or null
  const int32_t* labels;
  const float* bias;
  const float* class_weights;
  const float* grad_output;
  float* per_example;
  float* logits;
  float* grad_x;
  float* grad_weights;
  float* grad_bias;
  const WeightUpdate* update;
  double* result;      // loss, regulariser and two numbers of state
  double* statistics;  // [n, kStatistics], with a phase
  size_t n, d, classes, all_classes;
  Margin margin;
  Reduction reduction;
  double label_smoothing;
  size_t workspace_bytes;
  Phase phase;
};

// A softmax over classes advances by blocks of so many columns.
constexpr size_t kSoftmaxCols = 256;

// Running state of a row's softmax: its greatest logit, Σ exp(logit − max) and, for label smoothing, Σ v(max − logit) and Σ v.
struct SoftmaxState {
  float max, sum, spread, weight;
};

// How the k columns of a class become its logit: there is but one; the best of them; SoftTriple's choice by their own softmax.
enum class Pooling { kOne, kBest, kSoft };

// What becomes of that before the softmax: nothing; a clamp; CurricularFace's push of hard negatives; cos(θ/m); or it ends in the
// binary losses of sphereFace2 and p2sGrad.
enum class Columns { kPlain, kClamped, kHardened, kDivided, kBinary, kSquared };

struct ColumnRule {
  Pooling pooling;
  Columns columns;
  size_t k;  // 1 with kOne
  bool straight_through;
  float soft_scale, inverse_gamma;  // kSoft: of its choice among cosines, and of their temperature
  float numbers[5];                 // of `columns`: kernels/softmax.h says which
};

// Logits of a block of rows for at most kSoftmaxCols columns, which are whole classes of k columns each.
struct SoftmaxBlock {
  const float* logits;
  float* gradients;  // backward: where the logits are, too, or elsewhere
  size_t stride;     // of both, from row to row
  size_t rows, cols;
  ColumnRule rule;
  const int32_t* labels;  // of the rows; the block's classes begin at first_class
  int32_t first_class;
  const float* thresholds;     // of the rows, for kHardened
  const float* class_weights;  // of the block's classes, or null
  bool smoothing;
  float* out;  // forward: the classes as they enter the softmax, out_stride apart, or null
  size_t out_stride;
  SoftmaxState* states;
  // Backward: the row's gradient is factors·exp(logit − references) − shares·v, then times col_scales.
  const float* references;
  const float* factors;  // 0 passes over the row
  const float* shares;
  const float* target_gradients;  // of the rows: of the target's logit
  const float* target_columns;    // [rows, k]: of its columns
  const float* col_scales;        // or null
  float* bias_sums;         // [cols] or null: gradients of the logits added over the rows
};

// One row of weights for each of `rows`, moved by its gradient.
struct UpdateBlock {
  float* weights;
  float* state;  // or null
  const float* gradients;
  size_t count;
  Rule rule;
  float learning_rate, momentum, weight_decay, eps;
};

// What bfloat16 is rounded by: half of a hash of the seed and the element's index, as roundingNoise in lib/reference/weight-update.ts.
struct RoundingNoise {
  uint32_t seed;
  size_t first;    // index of the first element
  bool high_half;  // of the hash
};

// Gradients of unit rows made those of the rows themselves: g ← g − (g·ŵ)ŵ, g holding the factor 1/‖w‖ already.
struct UnitRows {
  const float* rows;
  const float* scales;  // 1/‖w‖
  float* gradients;
  size_t count, d;
};

}  // namespace hypersphere
