// A linear layer, a margin and softmax cross-entropy. What is done once a row, in double, is the CPU's own code on the host (margin_rows.h):
// targets with their margins, losses and coefficients. The device has what is done once a row and class, cut as on the CPU (class_blocks.h) and
// summed in the same order, and, where the weights stay there, the products of the rows with their targets, so that no weight crosses.
//
// The classes pass in waves of whole blocks, as many as fit the workspace: a wave's weights and logits are on the device at one time, and where all
// classes are one wave the backward pass finds them there. All memory is taken before anything is written; that of a shard's second phase by the
// first, which holds it, so that a device without room is found before shards say anything to each other.
#include <string.h>

#include "../../cpu.h"
#include "../../ops/class_blocks.h"
#include "../../ops/margin_rows.h"
#include "head_weights.h"
#include "ops.h"
#include "product.h"

namespace hypersphere {
namespace cuda {
namespace {

class Head {
 public:
  // `kept`: rows that stay on the device, in place of the op's.
  Head(const MarginSoftmaxOp& op, const ResidentRows* kept, Precision precision, const std::atomic<bool>* cancel)
      : op_(op),
        kept_(kept),
        precision_(precision),
        cancel_(cancel),
        k_(op.margin.k),
        cut_(op.classes, k_),
        block_cols_(cut_.block_chunks * cut_.chunk_classes * k_),
        wave_blocks_(BlocksOfWave()),
        most_cols_(Least(wave_blocks_ * block_cols_, op.classes * k_)),
        weight_rows_(op, CurrentKernels()),
        rows_(op, weight_rows_, space_, ThreadsForPass(op.n, op.d)),
        weights_(op, weight_rows_, kept, most_cols_, space_),
        wants_x_(op.grad_x != nullptr),
        wants_w_(op.grad_weights != nullptr || op.update != nullptr),
        wants_any_(wants_x_ || wants_w_ || op.grad_bias != nullptr) {}

  Status operator()() {
    Call call(cancel_, precision_, ResidentRows::Of(kept_));
    call.ExpectSides({op_.n, op_.d, op_.classes, op_.classes * k_});
    if (call.Failed()) return call.Finish();
    if (!AllocateHost()) return Status::kOutOfMemory;
    AllocateDevice(call);
    Status status = Prepare(call);
    if (status != Status::kOk) return status;
    if (op_.phase != Phase::kBackward) {
      for (size_t w = 0; w < Waves(); w++) Forward(call, WaveAt(w));
      call.Download(states_, run_.all.states, cut_.blocks * op_.n);
      if (op_.logits != nullptr) call.Download(op_.logits, out_, op_.n * op_.classes);
      status = call.Finish();
      if (status != Status::kOk) return status;
      if (op_.logits != nullptr) rows_.PlaceTargets(op_.logits);
    }
    if (op_.phase == Phase::kForward) {
      rows_.Export(states_, cut_.blocks);
      call.HoldForNext();
      return status;
    }
    if (call.Failed()) return call.Finish();  // before losses are written
    status = rows_.Finish(states_, cut_.blocks, cancel_);
    return status == Status::kOk && wants_any_ ? Backward(call) : status;
  }

 private:
  // Whole blocks from `block` on, and their classes.
  struct Wave {
    size_t block, blocks, first, classes, cols;
  };

  size_t BlocksOfWave() const {
    const size_t floats_of_block = Most(Most(op_.n, op_.d), 1) * Most(block_cols_, 1);
    return Most(Least(op_.workspace_bytes / sizeof(float) / floats_of_block, cut_.blocks), 1);
  }

  size_t Waves() const { return DivideUp(cut_.blocks, wave_blocks_); }

  Wave WaveAt(size_t index) const {
    const size_t block = index * wave_blocks_, blocks = Least(wave_blocks_, cut_.blocks - block);
    const size_t first = cut_.Start(block) * cut_.chunk_classes, last = Least(cut_.Start(block + blocks) * cut_.chunk_classes, op_.classes);
    return {block, blocks, first, last - first, (last - first) * k_};
  }

  bool UnitWeights() const { return rows_.space_of_logits.unit_w; }
  bool BinaryBias() const { return rows_.rule.columns == Columns::kBinary; }

  bool AllocateHost() {
    const size_t states = space_.Add<SoftmaxState>(op_.phase == Phase::kBackward ? 0 : cut_.blocks * op_.n);
    const size_t sums = space_.Add<float>(op_.grad_bias == nullptr ? 0 : op_.classes);
    const size_t products = space_.Add<double>(Products()), factors = space_.Add<double>(rows_.Scales() ? op_.n : 0);
    if (!space_.Allocate()) return false;
    states_ = space_.At<SoftmaxState>(states);
    class_sums_ = space_.At<float>(sums);
    host_products_ = space_.At<double>(products);
    host_factors_ = space_.At<double>(factors);
    return true;
  }

  size_t Products() const { return kept_ == nullptr ? 0 : 2 * op_.n * k_; }

  void AllocateDevice(Call& call) {
    const size_t n = op_.n, d = op_.d;
    x_ = call.Upload(op_.x, n * d);
    weights_.Allocate(call, wants_any_);
    if (rows_.Scales()) {
      scaled_ = call.Allocate<float>(n * d);
      factors_ = call.Allocate<double>(n);
    }
    if (kept_ != nullptr) products_ = call.Allocate<double>(Products());
    run_.chunk_classes = cut_.chunk_classes;
    run_.block_chunks = cut_.block_chunks;
    run_.all.rows = n;
    run_.all.labels = call.Upload(op_.labels, n);
    run_.all.smoothing = op_.label_smoothing > 0;
    run_.all.states = call.Allocate<SoftmaxState>(cut_.blocks * n);
    run_.all.out_stride = op_.classes;
    if (rows_.rule.columns == Columns::kHardened) thresholds_ = call.Allocate<float>(n);
    if (op_.class_weights != nullptr) class_weights_ = call.Upload(op_.class_weights, op_.classes);
    if (op_.bias != nullptr && rows_.rule.columns == Columns::kPlain) bias_ = call.Upload(op_.bias, op_.classes);
    if (op_.logits != nullptr) out_ = call.Allocate<float>(n * op_.classes);
    logits_ = call.Allocate<float>(n * most_cols_);
    if (UnitWeights()) scales_ = call.Allocate<float>(most_cols_);
    if (!wants_any_) return;
    coefficients_ = call.Allocate<float>(n * (5 + 2 * k_));
    if (wants_x_) {
      parts_ = call.Allocate<float>(wave_blocks_ * n * d);
      total_ = call.Allocate<float>(n * d);
    }
    if (op_.grad_bias != nullptr) {
      class_gradients_ = call.Allocate<float>(n * most_cols_ / k_);
      sums_ = call.Allocate<float>(op_.classes);
    }
    if (!wants_w_) return;
    gradients_ = call.Allocate<float>(most_cols_ * d);
    counted_ = call.Allocate<float>(n * d);
  }

  // What the rows and their targets are, on the host and then on the device.
  Status Prepare(Call& call) {
    if (kept_ != nullptr) {
      weights_.LaunchProducts(call, x_, run_.all.labels, products_);
      call.Download(host_products_, products_, Products());
      const Status status = call.Finish();
      if (status != Status::kOk) return status;
    }
    if (call.Failed()) return call.Finish();
    const Status status = rows_.Prepare(cancel_, kept_ == nullptr ? nullptr : host_products_);
    if (status != Status::kOk) return status;
    run_.all.rule = rows_.rule;
    if (thresholds_ != nullptr) {
      call.Upload(thresholds_, rows_.thresholds, op_.n);
      run_.all.thresholds = thresholds_;
    }
    if (rows_.Scales()) {
      for (size_t i = 0; i < op_.n; i++) host_factors_[i] = rows_.Factor(i);
      call.Upload(factors_, host_factors_, op_.n);
    }
    float* const counted = op_.phase == Phase::kForward ? nullptr : counted_;
    if (scaled_ != nullptr || counted != nullptr) {
      call.LaunchGroups(Kernel::k_scale_rows, op_.n, ScaledRows{x_, factors_, run_.all.labels, scaled_, counted, rows_.caffe, op_.n, op_.d});
    }
    return Status::kOk;
  }

  const float* Scaled() const { return rows_.Scales() ? scaled_ : x_; }

  static uint32_t Size(size_t n) { return static_cast<uint32_t>(n); }

  // A wave's weights and logits, where they are not there already.
  void Load(Call& call, const Wave& wave) {
    if (loaded_ == wave.block) return;
    loaded_ = wave.block;
    const size_t d = op_.d;
    on_device_ = weights_.Load(call, wave.first, wave.classes);
    if (UnitWeights()) call.LaunchGroups(Kernel::k_unit_scales, wave.cols, on_device_, wave.cols, d, scales_);
    LogitsArgs args{};
    args.product = {{Scaled(), d, 1}, {on_device_, d, 1}, logits_, wave.cols, 0, Size(op_.n), Size(wave.cols), Size(d), Size(d)};
    args.col_scales = UnitWeights() ? scales_ : nullptr;
    args.bias = bias_ == nullptr ? nullptr : bias_ + wave.first;
    LaunchLogits(call, args);
  }

  SoftmaxRun RunOf(const Wave& wave) const {
    SoftmaxRun run = run_;
    run.all.logits = run.all.gradients = logits_;
    run.all.stride = run.all.cols = wave.cols;
    run.all.first_class = static_cast<int32_t>(wave.first);
    run.all.class_weights = class_weights_ == nullptr ? nullptr : class_weights_ + wave.first;
    run.all.out = out_ == nullptr ? nullptr : out_ + wave.first;
    run.all.states = run_.all.states + wave.block * op_.n;
    return run;
  }

  void Forward(Call& call, const Wave& wave) {
    Load(call, wave);
    call.LaunchGroups(Kernel::k_softmax_forward, wave.blocks * op_.n, RunOf(wave));
  }

  Status Backward(Call& call) {
    if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) return Status::kAborted;
    // Once weights move, the call goes on to its end.
    if (op_.update != nullptr) call.IgnoreCancel();
    UploadCoefficients(call);
    for (size_t w = 0; w < Waves(); w++) {
      if (w > 0) weights_.Store();
      BackwardWave(call, WaveAt(w), w == 0);
      // Rows of the host move wave by wave, each as a whole, and those of the last when everything else is there, too.
      if (w + 1 < Waves() && kept_ == nullptr && op_.update != nullptr) call.Finish();
      if (call.Failed()) break;
    }
    if (wants_x_ && cut_.blocks > 0) call.Download(op_.grad_x, total_, op_.n * op_.d);
    if (op_.grad_bias != nullptr) call.Download(BinaryBias() ? class_sums_ : op_.grad_bias, sums_, op_.classes);
    const Status status = call.Finish();
    if (status != Status::kOk) return status;
    weights_.Store();
    if (op_.grad_bias != nullptr && BinaryBias()) op_.grad_bias[0] = static_cast<float>(SumOfBias());
    if (!wants_x_) return status;
    if (cut_.blocks == 0) memset(op_.grad_x, 0, op_.n * op_.d * sizeof(float));
    return rows_.FinishGradients(op_.grad_x, op_.update == nullptr ? cancel_ : nullptr);
  }

  void UploadCoefficients(Call& call) {
    const size_t n = op_.n;
    float* at = coefficients_;
    const auto upload = [&](const float* from, size_t count) {
      float* const to = at;
      call.Upload(to, from, count);
      at += count;
      return to;
    };
    run_.all.references = upload(rows_.references, n);
    run_.all.factors = upload(rows_.factors, n);
    run_.all.shares = upload(rows_.shares, n);
    run_.all.target_gradients = upload(rows_.target_gradients, n);
    run_.all.target_columns = upload(rows_.target_columns, n * k_);
    if (rows_.moves_along_weights) along_ = upload(rows_.along_weights, n);
    if (rows_.caffe) caffe_columns_ = upload(rows_.caffe_columns, n * k_);
  }

  void BackwardWave(Call& call, const Wave& wave, bool first) {
    const size_t n = op_.n, d = op_.d;
    Load(call, wave);
    SoftmaxRun run = RunOf(wave);
    run.all.col_scales = UnitWeights() ? scales_ : nullptr;
    run.all.bias_sums = class_gradients_;
    call.LaunchGroups(Kernel::k_softmax_backward, DivideUp(wave.classes, cut_.chunk_classes) * n, run);
    loaded_ = SIZE_MAX;  // the logits are gone
    if (op_.grad_bias != nullptr) {
      call.LaunchThreads(Kernel::k_class_sums, wave.classes, static_cast<const float*>(class_gradients_), n, wave.classes, sums_ + wave.first);
    }
    if (wants_x_) {
      const Rows columns{on_device_, 1, d};
      LaunchProduct(call, {{logits_, wave.cols, 1}, columns, parts_, d, n * d, Size(n), Size(d), Size(wave.cols), Size(block_cols_)});
      call.LaunchThreads(Kernel::k_add_parts, n * d, static_cast<const float*>(parts_), n * d, wave.blocks, first, total_);
    }
    if (wants_w_) GradientsOfWeights(call, wave);
  }

  void GradientsOfWeights(Call& call, const Wave& wave) {
    const size_t n = op_.n, d = op_.d;
    const int32_t first_class = static_cast<int32_t>(wave.first);
    const float* const weights = on_device_;
    const float* const scales = scales_;
    if (rows_.caffe) call.LaunchThreads(Kernel::k_place_caffe_targets, n, run_.all.labels, caffe_columns_, scales, n, first_class, wave.classes, logits_);
    LaunchProduct(call, {{logits_, 1, wave.cols}, {counted_, 1, d}, gradients_, d, 0, Size(wave.cols), Size(d), Size(n), Size(n)});
    if (rows_.caffe) {
      call.LaunchGroups(Kernel::k_drop_scales, wave.cols, scales, wave.cols, d, gradients_);
    } else if (UnitWeights()) {
      call.LaunchGroups(Kernel::k_through_unit_rows, wave.cols, UnitRows{weights, scales, gradients_, wave.cols, d});
    }
    if (rows_.moves_along_weights) {
      call.LaunchThreads(Kernel::k_add_along_weights, d, weights, run_.all.labels, along_, n, d, first_class, wave.classes, gradients_);
    }
    if (op_.update == nullptr) {
      call.Download(op_.grad_weights + wave.first * k_ * d, gradients_, wave.cols * d);
    } else {
      weights_.Update(call, gradients_);
    }
  }

  // Block by block, as the CPU adds up what it has of each.
  double SumOfBias() const {
    double total = 0;
    for (size_t b = 0; b < cut_.blocks; b++) {
      double sum = 0;
      for (size_t c = cut_.Start(b) * cut_.chunk_classes; c < Least(cut_.Start(b + 1) * cut_.chunk_classes, op_.classes); c++) {
        sum += static_cast<double>(class_sums_[c]);
      }
      total += sum;
    }
    return total;
  }

  const MarginSoftmaxOp& op_;
  const ResidentRows* const kept_;
  const Precision precision_;
  const std::atomic<bool>* const cancel_;
  size_t k_;
  ClassBlocks cut_;
  size_t block_cols_, wave_blocks_, most_cols_, loaded_ = SIZE_MAX;
  Workspace space_;
  WeightRows weight_rows_;
  MarginRows rows_;
  HeadWeights weights_;
  bool wants_x_, wants_w_, wants_any_;
  // The host's.
  SoftmaxState* states_ = nullptr;
  float* class_sums_ = nullptr;
  double *host_products_ = nullptr, *host_factors_ = nullptr;
  // The device's.
  SoftmaxRun run_{};
  const float *x_ = nullptr, *on_device_ = nullptr, *class_weights_ = nullptr, *bias_ = nullptr, *along_ = nullptr, *caffe_columns_ = nullptr;
  float *scaled_ = nullptr, *counted_ = nullptr, *thresholds_ = nullptr, *out_ = nullptr, *logits_ = nullptr, *scales_ = nullptr;
  float *coefficients_ = nullptr, *parts_ = nullptr, *total_ = nullptr;
  float *class_gradients_ = nullptr, *sums_ = nullptr, *gradients_ = nullptr;
  double *products_ = nullptr, *factors_ = nullptr;
};

}  // namespace

Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept { return Head(op, nullptr, Precision::kReproducible, cancel)(); }
namespace fast {
Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept { return Head(op, nullptr, Precision::kFast, cancel)(); }
}  // namespace fast

Status ResidentRows::MarginSoftmax(const MarginSoftmaxOp& op, Precision precision) noexcept { return Head(op, this, precision, nullptr)(); }

}  // namespace cuda
}  // namespace hypersphere
