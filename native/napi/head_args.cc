#include "head_args.h"

#include <string>

namespace hypersphere {

namespace {

// In call order.
enum Argument {
  kX,
  kWeights,
  kRows,
  kLabels,
  kBias,
  kClassWeights,
  kGradOutput,
  kPerExample,
  kLogits,
  kGradX,
  kGradWeights,
  kGradBias,
  kState,
  kStatisticsOfRows,
  kResult,
  kMargin,
  kSettings,
  kN,
  kD,
  kClasses,
  kWeightClasses,
  kPhase
};

// What `settings` holds, as lib/native/softmax.ts lays it out.
enum Setting {
  kReduction,
  kLabelSmoothing,
  kIgnoreIndex,
  kWorkspaceBytes,
  kAllClasses,
  kRule,  // negative: no update
  kLearningRate,
  kMomentum,
  kWeightDecay,
  kEps,
  kSeed,  // negative: to nearest
  kSettingCount
};

// And `margin`.
constexpr size_t kMarginHead = 5;

Margin ReadMargin(const Args& args) {
  const double* given = args.Doubles(kMargin, kMarginHead + kMarginNumbers);
  Margin margin{};
  margin.kind = static_cast<MarginKind>(static_cast<int>(given[0]));
  margin.choice = static_cast<int>(given[1]);
  margin.gradient = static_cast<int>(given[2]);
  margin.k = given[3] >= 1 && given[3] <= static_cast<double>(kSoftmaxCols) ? static_cast<size_t>(given[3]) : 1;
  margin.scale = given[4];
  for (size_t i = 0; i < kMarginNumbers; i++) margin.numbers[i] = given[kMarginHead + i];
  return margin;
}

void ReadUpdate(const Args& args, const double* settings, size_t rows, const cuda::ResidentRows* kept, HeadCall& head) {
  if (settings[kRule] < 0) return;
  WeightUpdate& update = head.update;
  update.rule = settings[kRule] == 0 ? Rule::kSgd : Rule::kAdaGrad;
  update.learning_rate = settings[kLearningRate];
  update.momentum = settings[kMomentum];
  update.weight_decay = settings[kWeightDecay];
  update.eps = settings[kEps];
  update.stochastic = settings[kSeed] >= 0;
  update.seed = update.stochastic ? static_cast<uint32_t>(settings[kSeed]) : 0;
  if (kept != nullptr) {
    if (update.rule == Rule::kAdaGrad && !kept->stateful) throw Failure(args.Env(), "ERR_TYPE", "state", "the accumulators of adaGrad", "none");
    head.op.update = &update;
    return;
  }
  if (args.IsHalves(kState)) {
    update.half_state = args.Halves(kState, rows, head.op.d);
  } else {
    update.state = args.OptionalFloats(kState, rows, head.op.d);
  }
  if (update.rule == Rule::kAdaGrad && update.state == nullptr && update.half_state == nullptr) {
    throw Failure(args.Env(), "ERR_TYPE", "state", "the accumulators of adaGrad", "none");
  }
  head.op.update = &update;
}

// How many classes the weights have, and where they are: nowhere in the op where they stay on the device.
size_t ReadWeights(const Args& args, const cuda::ResidentRows* kept, MarginSoftmaxOp& op) {
  const size_t k = op.margin.k;
  if (kept == nullptr) {
    const size_t classes = args.Size(kWeightClasses);
    if (args.IsHalves(kWeights)) {
      op.half_weights = args.Halves(kWeights, classes * k, op.d);
    } else {
      op.weights = args.Floats(kWeights, classes * k, op.d);
    }
    return classes;
  }
  if (op.d != kept->d) throw Failure(args.Env(), "ERR_SHAPE", "d", std::to_string(kept->d), std::to_string(op.d));
  if (kept->count % k != 0) throw Failure(args.Env(), "ERR_SHAPE", "margin", "centers that divide " + std::to_string(kept->count), std::to_string(k));
  return kept->count / k;
}

}  // namespace

Args HeadArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"x",     "weights", "rows",      "labels",     "bias",  "classWeights", "gradOutput", "perExample", "logits",  "gradX",         "gradWeights",
                     "gradBias", "state",   "statistics", "result",     "margin", "settings",     "n",          "d",          "classes", "weightClasses", "phase"});
}

std::shared_ptr<HeadCall> ReadHead(const Args& args, const cuda::ResidentRows* kept) {
  const auto head = std::make_shared<HeadCall>();
  MarginSoftmaxOp& op = head->op;
  op.n = args.Size(kN);
  op.d = args.Size(kD);
  op.classes = args.Size(kClasses);
  op.phase = static_cast<Phase>(args.Int(kPhase, 0, 2));
  op.margin = ReadMargin(args);
  const double* settings = args.Doubles(kSettings, kSettingCount);
  const size_t weight_classes = ReadWeights(args, kept, op), k = op.margin.k;
  op.reduction = static_cast<Reduction>(static_cast<int>(settings[kReduction]));
  op.label_smoothing = settings[kLabelSmoothing];
  op.workspace_bytes = static_cast<size_t>(settings[kWorkspaceBytes]);
  op.all_classes = static_cast<size_t>(settings[kAllClasses]);
  op.x = args.Floats(kX, op.n, op.d);
  op.bias = args.OptionalFloats(kBias, op.margin.kind == MarginKind::kSoftmax ? op.classes : 1, 1);
  if (op.bias != nullptr && k != 1) throw Failure(args.Env(), "ERR_OPTION_RANGE", "bias", "none beside several centers a class", "a bias");
  op.class_weights = args.OptionalFloats(kClassWeights, op.classes, 1);
  if (op.class_weights != nullptr && op.phase != Phase::kBoth) {
    throw Failure(args.Env(), "ERR_OPTION_RANGE", "classWeights", "none beside shards", "class weights");
  }
  op.grad_output = args.OptionalFloats(kGradOutput, op.n, 1);
  op.per_example = args.Floats(kPerExample, op.n, 1);
  op.logits = args.OptionalFloats(kLogits, op.n, op.classes);
  op.grad_x = args.OptionalFloats(kGradX, op.n, op.d);
  op.grad_weights = args.OptionalFloats(kGradWeights, op.classes * k, op.d);
  op.grad_bias = args.OptionalFloats(kGradBias, op.margin.kind == MarginKind::kSoftmax ? op.classes : 1, 1);
  op.result = args.Doubles(kResult, kStatistics);
  op.statistics = op.phase == Phase::kBoth ? nullptr : args.Doubles(kStatisticsOfRows, op.n * kStatistics);
  ReadUpdate(args, settings, weight_classes * k, kept, *head);
  args.CheckApart({kPerExample, kLogits, kGradX, kGradWeights, kGradBias, kState, kResult});
  if (op.update != nullptr) args.CheckApart({kWeights});
  if (op.phase == Phase::kForward) args.CheckApart({kStatisticsOfRows});
  head->labels = args.LabelsOrNone(kLabels, op.n, op.classes, settings[kIgnoreIndex], op.phase != Phase::kBoth);
  op.labels = head->labels.data();
  if (args.IsPresent(kRows)) {
    head->rows = args.Labels(kRows, op.classes, weight_classes);
    op.rows = head->rows.data();
  } else if (op.classes > weight_classes) {
    throw Failure(args.Env(), "ERR_SHAPE", "classes", "at most " + std::to_string(weight_classes), std::to_string(op.classes));
  }
  return head;
}

}  // namespace hypersphere
