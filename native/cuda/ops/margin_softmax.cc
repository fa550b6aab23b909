// A linear layer, a margin and softmax cross-entropy. What is done once a row, in double, is the CPU's own code on the host (margin_rows.h): unit
// rows, targets with their margins, losses and coefficients. The device has what is done once a row and class, cut as on the CPU
// (class_blocks.h) and summed in the same order.
//
// The classes pass in waves of whole blocks, as many as fit the workspace: a wave's weights and logits are on the device at one time, and where all
// classes are one wave the backward pass finds them there. All memory is taken before anything is written.
#include <string.h>

#include "../../cpu.h"
#include "../../ops/class_blocks.h"
#include "../../ops/margin_rows.h"
#include "ops.h"
#include "product.h"

namespace hypersphere {
namespace cuda {
namespace {

class Head {
 public:
  Head(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel)
      : op_(op),
        cancel_(cancel),
        k_(op.margin.k),
        cut_(op.classes, k_),
        block_cols_(cut_.block_chunks * cut_.chunk_classes * k_),
        weights_(op, CurrentKernels()),
        rows_(op, weights_, space_, ThreadsForPass(op.n, op.d)),
        wants_x_(op.grad_x != nullptr),
        wants_w_(op.grad_weights != nullptr || op.update != nullptr),
        backward_((wants_x_ || wants_w_ || op.grad_bias != nullptr) && op.phase != Phase::kForward),
        stateful_(op.update != nullptr && (op.update->state != nullptr || op.update->half_state != nullptr)) {
    const size_t floats_of_block = Most(Most(op.n, op.d), 1) * Most(block_cols_, 1);
    wave_blocks_ = Most(Least(op.workspace_bytes / sizeof(float) / floats_of_block, cut_.blocks), 1);
    most_cols_ = Least(wave_blocks_ * block_cols_, op.classes * k_);
  }

  Status operator()() {
    if (!AllocateHost()) return Status::kOutOfMemory;
    Status status = rows_.Prepare(cancel_);
    if (status != Status::kOk) return status;
    Call call(cancel_);
    AllocateDevice(call);
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
      return status;
    }
    if (call.Failed()) return call.Finish();  // before losses are written
    status = rows_.Finish(states_, cut_.blocks, cancel_);
    return status == Status::kOk && backward_ ? Backward(call) : status;
  }

 private:
  // Whole blocks from `block` on, and their classes.
  struct Wave {
    size_t block, blocks, first, classes, cols;
  };

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
    const size_t weights = space_.Add<float>(weights_.InPlace() ? 0 : most_cols_ * op_.d);
    const size_t state = space_.Add<float>(stateful_ ? most_cols_ * op_.d : 0);
    const size_t counted = space_.Add<float>(backward_ && wants_w_ ? op_.n * op_.d : 0);
    const size_t sums = space_.Add<float>(op_.grad_bias == nullptr ? 0 : op_.classes);
    if (!space_.Allocate()) return false;
    states_ = space_.At<SoftmaxState>(states);
    weight_buffer_ = space_.At<float>(weights);
    state_buffer_ = space_.At<float>(state);
    counted_rows_ = space_.At<float>(counted);
    class_sums_ = space_.At<float>(sums);
    return true;
  }

  void AllocateDevice(Call& call) {
    const size_t n = op_.n, d = op_.d;
    scaled_ = call.Upload(rows_.Scaled(), n * d);
    run_.chunk_classes = cut_.chunk_classes;
    run_.block_chunks = cut_.block_chunks;
    run_.all.rows = n;
    run_.all.rule = rows_.rule;
    run_.all.labels = call.Upload(op_.labels, n);
    run_.all.smoothing = op_.label_smoothing > 0;
    run_.all.states = call.Allocate<SoftmaxState>(cut_.blocks * n);
    run_.all.out_stride = op_.classes;
    if (rows_.rule.columns == Columns::kHardened) run_.all.thresholds = call.Upload(rows_.thresholds, n);
    if (op_.class_weights != nullptr) class_weights_ = call.Upload(op_.class_weights, op_.classes);
    if (op_.bias != nullptr && rows_.rule.columns == Columns::kPlain) bias_ = call.Upload(op_.bias, op_.classes);
    if (op_.logits != nullptr) out_ = call.Allocate<float>(n * op_.classes);
    on_device_ = call.Allocate<float>(most_cols_ * d);
    logits_ = call.Allocate<float>(n * most_cols_);
    if (UnitWeights()) scales_ = call.Allocate<float>(most_cols_);
    if (!backward_) return;
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
    if (stateful_) state_ = call.Allocate<float>(most_cols_ * d);
    // A row that counts nowhere may hold a NaN, which even a coefficient of 0 would spread.
    memcpy(counted_rows_, rows_.caffe ? op_.x : rows_.Scaled(), n * d * sizeof(float));
    for (size_t i = 0; i < n; i++) {
      if (!rows_.Counts(i)) memset(counted_rows_ + i * d, 0, d * sizeof(float));
    }
    counted_ = call.Upload(counted_rows_, n * d);
  }

  static uint32_t Size(size_t n) { return static_cast<uint32_t>(n); }

  // A wave's weights and logits, where they are not there already.
  void Load(Call& call, const Wave& wave) {
    if (loaded_ == wave.block) return;
    loaded_ = wave.block;
    const size_t d = op_.d;
    host_weights_ = weights_.Load(wave.first, wave.classes, weight_buffer_);
    call.Upload(on_device_, host_weights_, wave.cols * d);
    if (UnitWeights()) call.LaunchGroups(Kernel::k_unit_scales, wave.cols, static_cast<const float*>(on_device_), wave.cols, d, scales_);
    LogitsArgs args{};
    args.product = {{scaled_, d, 1}, {on_device_, d, 1}, logits_, wave.cols, 0, Size(op_.n), Size(wave.cols), Size(d), Size(d)};
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
      BackwardWave(call, WaveAt(w), w == 0);
      if (call.Failed()) break;
    }
    if (wants_x_ && cut_.blocks > 0) call.Download(op_.grad_x, total_, op_.n * op_.d);
    if (op_.grad_bias != nullptr) call.Download(BinaryBias() ? class_sums_ : op_.grad_bias, sums_, op_.classes);
    const Status status = call.Finish();
    if (status != Status::kOk) return status;
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
      Update(call, wave);
    }
  }

  // Moves the wave's rows. The host takes them back, rounded and put in their places where they are not float32 side by side.
  void Update(Call& call, const Wave& wave) {
    const size_t count = wave.cols * op_.d;
    float* const state = weights_.LoadState(wave.first, wave.classes, state_buffer_);
    if (state != nullptr) call.Upload(state_, state, count);
    call.LaunchGroups(Kernel::k_update_weights, wave.cols, weights_.UpdateOf(on_device_, state_, gradients_, count), op_.d);
    // Load returned memory that is writable: the weights themselves or this op's buffer.
    call.Download(const_cast<float*>(host_weights_), on_device_, count);
    if (state != nullptr) call.Download(state, state_, count);
    if (call.Finish() == Status::kOk) weights_.Store(wave.first, wave.classes, host_weights_, state);
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
  const std::atomic<bool>* const cancel_;
  size_t k_;
  ClassBlocks cut_;
  size_t block_cols_, wave_blocks_ = 1, most_cols_ = 0, loaded_ = SIZE_MAX;
  Workspace space_;
  WeightRows weights_;
  MarginRows rows_;
  bool wants_x_, wants_w_, backward_, stateful_;
  // The host's.
  SoftmaxState* states_ = nullptr;
  float *weight_buffer_ = nullptr, *state_buffer_ = nullptr, *counted_rows_ = nullptr, *class_sums_ = nullptr;
  const float* host_weights_ = nullptr;
  // The device's.
  SoftmaxRun run_{};
  const float *scaled_ = nullptr, *counted_ = nullptr, *class_weights_ = nullptr, *bias_ = nullptr, *along_ = nullptr, *caffe_columns_ = nullptr;
  float *out_ = nullptr, *on_device_ = nullptr, *logits_ = nullptr, *scales_ = nullptr, *coefficients_ = nullptr, *parts_ = nullptr, *total_ = nullptr;
  float *class_gradients_ = nullptr, *sums_ = nullptr, *gradients_ = nullptr, *state_ = nullptr;
};

}  // namespace

Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept { return Head(op, cancel)(); }

}  // namespace cuda
}  // namespace hypersphere
