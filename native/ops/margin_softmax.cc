// A linear layer, a margin and softmax cross-entropy without ever holding batch × classes. The classes are cut into chunks of at
// most kSoftmaxCols columns, whose logits are made by the engine, reduced by the epilogues of kernels/softmax.h while in the second
// level of cache, and forgotten, or kept as far as the workspace goes; the backward pass turns a chunk's logits, kept or made
// again, into coefficients and those into two products: dX += G·W, and dW = Gᵀ·X, which belongs to the chunk alone.
//
// A task is a block of chunks (class_blocks.h), which has sums of its own over its classes; these are combined in order of the
// classes, so neither threads nor kept memory leave a trace in the bits. A block's dX is added to the total when its turn comes;
// blocks start in order, so the one whose turn it is never waits.
#include <string.h>

#include <thread>

#include "../cpu.h"
#include "blocks.h"
#include "class_blocks.h"
#include "margin_rows.h"
#include "ops.h"
#include "workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kMostRowBlock = 512;    // logits of a chunk: 512 KiB
constexpr size_t kMostSideCols = 256;    // columns of dX and dW at a time: their packed side stays in the second level

class Run {
 public:
  Run(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel)
      : op_(op),
        cancel_(cancel),
        kernels_(CurrentKernels()),
        threads_(ThreadsFor(Most(op.n, 1), op.classes * op.margin.k, op.d)),
        k_(op.margin.k),
        cut_(op.classes, k_),
        row_block_(Least(op.n, kMostRowBlock)),
        row_blocks_(DivideUp(op.n, Most(row_block_, 1))),
        weights_(op, kernels_),
        rows_(op, weights_, space_, threads_),
        wants_x_(op.grad_x != nullptr),
        wants_w_(op.grad_weights != nullptr || op.update != nullptr),
        backward_((wants_x_ || wants_w_ || op.grad_bias != nullptr) && op.phase != Phase::kForward) {}

  Status operator()() {
    if (!Allocate()) return Status::kOutOfMemory;
    Status status = rows_.Prepare(cancel_);
    if (status == Status::kOk) status = PackRows();
    if (status != Status::kOk) return status;
    if (op_.phase != Phase::kBackward) status = Forward();
    if (status != Status::kOk) return status;
    if (op_.phase == Phase::kForward) {
      rows_.Export(states_, cut_.blocks);
      return status;
    }
    status = rows_.Finish(states_, cut_.blocks, cancel_);
    return status == Status::kOk && backward_ ? Backward() : status;
  }

 private:
  using Chunk = ClassBlocks::Chunk;

  // What a worker has for itself.
  static constexpr size_t kOwnArrays = 10;
  struct Own {
    float *weights, *state, *gradients, *right, *side, *left, *logits, *scales, *bias_sums, *sums;
  };

  bool Allocate() {
    const size_t d = op_.d, padded = RoundUp(d, kernels_.tile_cols), cols = kSoftmaxCols + kernels_.tile_cols;
    const size_t workers = Most(Least(static_cast<size_t>(threads_), cut_.blocks), 1);
    panels_ = DivideUp(row_block_, kernels_.tile_rows);
    left_floats_ = panels_ * kernels_.left_width * d;
    right_floats_ = padded * row_block_;
    const size_t left = space_.Add<float>(left_floats_ * row_blocks_);
    const size_t right = space_.Add<float>(backward_ && wants_w_ ? right_floats_ * row_blocks_ : 0);
    const size_t states = space_.Add<SoftmaxState>(op_.phase == Phase::kBackward ? 0 : cut_.blocks * op_.n);
    const size_t bias = space_.Add<double>(BinaryBias() ? cut_.blocks : 0);
    const size_t chunk_rows = kSoftmaxCols * d;
    const size_t buffer = weights_.InPlace() ? 0 : chunk_rows, scratch = op_.update != nullptr ? chunk_rows : 0;
    const size_t packed_left = Most(panels_ * kernels_.left_width * kSoftmaxCols, DivideUp(kSoftmaxCols, kernels_.tile_rows) * kernels_.left_width * row_block_);
    const size_t sizes[] = {buffer,
                            scratch,
                            scratch,
                            cols * d,
                            backward_ && wants_x_ ? padded * kSoftmaxCols : 0,
                            backward_ ? packed_left : 0,
                            row_block_ * kSoftmaxCols,
                            cols,
                            cols,
                            backward_ && wants_x_ ? op_.n * d : 0};
    own_floats_ = 0;
    for (size_t s = 0; s < kOwnArrays; s++) {
      own_places_[s] = own_floats_;
      own_floats_ += RoundUp(sizes[s], 16);
    }
    const size_t own = space_.Add<float>(own_floats_ * workers);
    const size_t budget = op_.workspace_bytes / sizeof(float) / Most(op_.n * kSoftmaxCols, 1);
    kept_chunks_ = backward_ && op_.phase == Phase::kBoth ? Least(budget, cut_.chunks) : 0;
    const size_t kept = space_.Add<float>(kept_chunks_ * op_.n * kSoftmaxCols);
    if (!space_.Allocate()) return false;
    left_ = space_.At<float>(left);
    right_ = space_.At<float>(right);
    states_ = space_.At<SoftmaxState>(states);
    bias_ = space_.At<double>(bias);
    own_ = space_.At<float>(own);
    kept_ = space_.At<float>(kept);
    return true;
  }

  bool BinaryBias() const { return op_.grad_bias != nullptr && rows_.rule.columns == Columns::kBinary; }

  Own OwnOf(int worker) const {
    float* const at = own_ + static_cast<size_t>(worker) * own_floats_;
    const auto place = [&](size_t s) { return at + own_places_[s]; };
    return {place(0), place(1), place(2), place(3), place(4), place(5), place(6), place(7), place(8), place(9)};
  }

  size_t RowsOf(size_t row_block) const { return Least(row_block_, op_.n - row_block * row_block_); }

  // Packs the batch's rows once for both products they take part in.
  Status PackRows() {
    const size_t d = op_.d, tasks = DivideUp(panels_, kPanelsPerPackTask);
    const auto pack = [&](size_t task, int) {
      const size_t block = task / tasks, rows = RowsOf(block), panels = DivideUp(rows, kernels_.tile_rows);
      const float* from = rows_.Scaled() + block * row_block_ * d;
      const size_t first = task % tasks * kPanelsPerPackTask, last = Least(first + kPanelsPerPackTask, panels);
      for (size_t depth = 0; depth < d && first < last; depth += kMostDepth) {
        float* to = left_ + block * left_floats_ + panels * kernels_.left_width * depth;
        kernels_.pack_left({from + depth, d, 1}, rows, Least(kMostDepth, d - depth), first, last, to);
      }
    };
    const int threads = ThreadsForPass(op_.n, d);
    const Status status = ParallelFor(row_blocks_ * tasks, pack, cancel_, threads);
    if (status != Status::kOk || !backward_ || !wants_w_) return status;
    const size_t sides = DivideUp(d, kMostSideCols);
    const auto pack_right = [&](size_t task, int) {
      const size_t block = task / sides, first = task % sides * kMostSideCols, rows = RowsOf(block);
      const float* from = (rows_.caffe ? op_.x : rows_.Scaled()) + block * row_block_ * d + first;
      float* const to = right_ + block * right_floats_ + first * rows;
      const size_t cols = Least(kMostSideCols, d - first);
      kernels_.pack_right({from, 1, d}, cols, rows, to);
      LeaveOutIgnored(block, cols, to);
    };
    return ParallelFor(row_blocks_ * sides, pack_right, cancel_, threads);
  }

  // A row that counts nowhere may hold a NaN, which even a coefficient of 0 would spread.
  void LeaveOutIgnored(size_t row_block, size_t cols, float* panels) const {
    const size_t rows = RowsOf(row_block), width = kernels_.tile_cols;
    for (size_t i = 0; i < rows; i++) {
      if (rows_.Counts(row_block * row_block_ + i)) continue;
      for (size_t panel = 0; panel < DivideUp(cols, width); panel++) memset(panels + (panel * rows + i) * width, 0, width * sizeof(float));
    }
  }

  void PackWeights(const float* weights, const Chunk& chunk, const Own& own) const {
    const size_t d = op_.d;
    for (size_t depth = 0; depth < d; depth += kMostDepth) {
      kernels_.pack_right({weights + depth, d, 1}, chunk.cols, Least(kMostDepth, d - depth), own.right + RoundUp(chunk.cols, kernels_.tile_cols) * depth);
    }
  }

  // The logits of a block of rows against the packed weights, before the margin.
  void Logits(const Chunk& chunk, size_t row_block, const Own& own, float* logits) const {
    const size_t d = op_.d, rows = RowsOf(row_block), panels = DivideUp(rows, kernels_.tile_rows);
    for (size_t depth = 0; depth < d; depth += kMostDepth) {
      kernels_.multiply({left_ + row_block * left_floats_ + panels * kernels_.left_width * depth,
                         own.right + RoundUp(chunk.cols, kernels_.tile_cols) * depth, logits, kSoftmaxCols, rows, chunk.cols,
                         Least(kMostDepth, d - depth), 0, panels, depth > 0});
    }
    const float* bias = op_.bias != nullptr && rows_.rule.columns == Columns::kPlain ? op_.bias + chunk.first : nullptr;
    if (UnitWeights() || bias != nullptr) kernels_.scale_logits(logits, rows, chunk.cols, UnitWeights() ? own.scales : nullptr, bias);
  }

  bool UnitWeights() const { return rows_.space_of_logits.unit_w; }

  float* LogitsOf(size_t chunk, size_t row_block, const Own& own) const {
    return chunk < kept_chunks_ ? kept_ + (chunk * op_.n + row_block * row_block_) * kSoftmaxCols : own.logits;
  }

  SoftmaxBlock BlockOf(const Chunk& chunk, size_t row_block, float* logits) const {
    const size_t row = row_block * row_block_;
    SoftmaxBlock block{};
    block.logits = logits;
    block.gradients = logits;
    block.stride = kSoftmaxCols;
    block.rows = RowsOf(row_block);
    block.cols = chunk.cols;
    block.rule = rows_.rule;
    block.labels = op_.labels + row;
    block.first_class = static_cast<int32_t>(chunk.first);
    block.thresholds = rows_.rule.columns == Columns::kHardened ? rows_.thresholds + row : nullptr;
    block.class_weights = op_.class_weights == nullptr ? nullptr : op_.class_weights + chunk.first;
    block.smoothing = op_.label_smoothing > 0;
    block.references = rows_.references + row;
    block.factors = rows_.factors + row;
    block.shares = rows_.shares + row;
    block.target_gradients = rows_.target_gradients + row;
    block.target_columns = rows_.target_columns + row * k_;
    return block;
  }

  Status Forward() {
    const auto block = [&](size_t index, int worker) {
      const Own own = OwnOf(worker);
      for (size_t i = 0; i < op_.n; i++) states_[index * op_.n + i] = {-__builtin_inff(), 0, 0, 0};
      for (size_t c = cut_.Start(index); c < cut_.Start(index + 1); c++) ForwardChunk(c, index, own);
    };
    const Status status = ParallelFor(cut_.blocks, block, cancel_, threads_);
    if (status == Status::kOk && op_.logits != nullptr) rows_.PlaceTargets(op_.logits);
    return status;
  }

  void ForwardChunk(size_t index, size_t block_index, const Own& own) {
    if (op_.n == 0) return;
    const Chunk chunk = cut_.ChunkAt(index);
    const float* weights = weights_.Load(chunk.first, chunk.classes, own.weights);
    if (UnitWeights()) kernels_.unit_scales(weights, chunk.cols, op_.d, own.scales);
    PackWeights(weights, chunk, own);
    for (size_t r = 0; r < row_blocks_; r++) {
      float* const logits = LogitsOf(index, r, own);
      Logits(chunk, r, own, logits);
      SoftmaxBlock block = BlockOf(chunk, r, logits);
      block.states = states_ + block_index * op_.n + r * row_block_;
      block.out = op_.logits == nullptr ? nullptr : op_.logits + r * row_block_ * op_.classes + chunk.first;
      block.out_stride = op_.classes;
      kernels_.softmax_forward(block);
    }
  }

  Status Backward() {
    // Once weights move, the call goes on to its end.
    const std::atomic<bool>* const cancel = op_.update == nullptr ? cancel_ : nullptr;
    if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) return Status::kAborted;
    std::atomic<size_t> turn{0};
    const auto block = [&](size_t index, int worker) {
      const Own own = OwnOf(worker);
      double bias = 0;
      for (size_t c = cut_.Start(index); c < cut_.Start(index + 1); c++) BackwardChunk(c, c == cut_.Start(index), own, bias);
      if (BinaryBias()) bias_[index] = bias;
      if (wants_x_) AddInTurn(own.sums, index, turn, cancel);
    };
    Status status = ParallelFor(cut_.blocks, block, cancel, threads_);
    if (status != Status::kOk) return status;
    if (BinaryBias()) {
      double bias = 0;
      for (size_t b = 0; b < cut_.blocks; b++) bias += bias_[b];
      op_.grad_bias[0] = static_cast<float>(bias);
    }
    if (!wants_x_) return status;
    if (cut_.blocks == 0) memset(op_.grad_x, 0, op_.n * op_.d * sizeof(float));
    return rows_.FinishGradients(op_.grad_x, cancel);
  }

  void AddInTurn(const float* sums, size_t index, std::atomic<size_t>& turn, const std::atomic<bool>* cancel) const {
    while (turn.load(std::memory_order_acquire) != index) {
      if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return;
      std::this_thread::yield();
    }
    const size_t count = op_.n * op_.d;
    if (index == 0) {
      memcpy(op_.grad_x, sums, count * sizeof(float));
    } else {
      for (size_t j = 0; j < count; j++) op_.grad_x[j] += sums[j];
    }
    turn.store(index + 1, std::memory_order_release);
  }

  void BackwardChunk(size_t index, bool first_of_block, const Own& own, double& bias) const {
    const Chunk chunk = cut_.ChunkAt(index);
    const bool kept = index < kept_chunks_;
    const size_t d = op_.d;
    const float* weights = weights_.Load(chunk.first, chunk.classes, own.weights);
    if (UnitWeights()) kernels_.unit_scales(weights, chunk.cols, d, own.scales);
    float* const gradients = op_.update != nullptr ? own.gradients : op_.grad_weights == nullptr ? nullptr : op_.grad_weights + chunk.first * k_ * d;
    if (op_.grad_bias != nullptr) memset(own.bias_sums, 0, chunk.classes * sizeof(float));
    if (!kept && op_.n > 0) PackWeights(weights, chunk, own);
    if (wants_x_ && op_.n > 0) kernels_.pack_right({weights, 1, d}, d, chunk.cols, own.side);
    if (op_.n == 0 && wants_w_) memset(gradients, 0, chunk.cols * d * sizeof(float));
    for (size_t r = 0; r < row_blocks_; r++) {
      float* const logits = LogitsOf(index, r, own);
      if (!kept) Logits(chunk, r, own, logits);
      SoftmaxBlock block = BlockOf(chunk, r, logits);
      block.col_scales = UnitWeights() ? own.scales : nullptr;
      block.bias_sums = op_.grad_bias == nullptr ? nullptr : own.bias_sums;
      kernels_.softmax_backward(block);
      if (wants_x_) AddToGradX(chunk, r, logits, first_of_block, own);
      if (rows_.caffe) PlaceCaffeTargets(chunk, r, own.scales, logits);
      if (wants_w_) AddToGradWeights(chunk, r, logits, gradients, own);
    }
    if (op_.grad_bias != nullptr) TakeBias(chunk, own, bias);
    if (!wants_w_) return;
    if (rows_.caffe) {
      DropScales(chunk, own.scales, gradients);
    } else if (UnitWeights()) {
      kernels_.through_unit_rows({weights, own.scales, gradients, chunk.cols, d});
    }
    if (rows_.moves_along_weights) AddAlongWeights(weights, chunk, gradients);
    if (op_.update != nullptr) weights_.Update(chunk.first, chunk.classes, weights, gradients, own.state);
  }

  void AddToGradX(const Chunk& chunk, size_t row_block, const float* logits, bool first, const Own& own) const {
    const size_t d = op_.d, rows = RowsOf(row_block), panels = DivideUp(rows, kernels_.tile_rows);
    kernels_.pack_left({logits, kSoftmaxCols, 1}, rows, chunk.cols, 0, panels, own.left);
    for (size_t col = 0; col < d; col += kMostSideCols) {
      kernels_.multiply({own.left, own.side + col * chunk.cols, own.sums + row_block * row_block_ * d + col, d, rows, Least(kMostSideCols, d - col),
                         chunk.cols, 0, panels, !first});
    }
  }

  void AddToGradWeights(const Chunk& chunk, size_t row_block, const float* logits, float* gradients, const Own& own) const {
    const size_t d = op_.d, rows = RowsOf(row_block), panels = DivideUp(chunk.cols, kernels_.tile_rows);
    kernels_.pack_left({logits, 1, kSoftmaxCols}, chunk.cols, rows, 0, panels, own.left);
    const float* const right = right_ + row_block * right_floats_;
    for (size_t col = 0; col < d; col += kMostSideCols) {
      kernels_.multiply({own.left, right + col * rows, gradients + col, d, chunk.cols, Least(kMostSideCols, d - col), rows, 0, panels, row_block > 0});
    }
  }

  // What the layer of the authors multiplies x by, where it departs from the gradient.
  void PlaceCaffeTargets(const Chunk& chunk, size_t row_block, const float* scales, float* logits) const {
    for (size_t i = 0; i < RowsOf(row_block); i++) {
      const size_t row = row_block * row_block_ + i;
      if (!Within(chunk, op_.labels[row])) continue;
      const size_t c = static_cast<size_t>(op_.labels[row]) - chunk.first;
      logits[i * kSoftmaxCols + c] = rows_.caffe_columns[row] * scales[c];
    }
  }

  // It trains unit rows as if they had no length: the factor 1/‖w‖ goes again.
  void DropScales(const Chunk& chunk, const float* scales, float* gradients) const {
    for (size_t c = 0; c < chunk.cols; c++) {
      for (size_t j = 0; j < op_.d; j++) gradients[c * op_.d + j] /= scales[c];
    }
  }

  static bool Within(const Chunk& chunk, int32_t label) {
    return label >= 0 && static_cast<size_t>(label) >= chunk.first && static_cast<size_t>(label) < chunk.first + chunk.classes;
  }

  void AddAlongWeights(const float* weights, const Chunk& chunk, float* gradients) const {
    const size_t d = op_.d;
    for (size_t i = 0; i < op_.n; i++) {
      if (!Within(chunk, op_.labels[i])) continue;
      const size_t at = (static_cast<size_t>(op_.labels[i]) - chunk.first) * d;
      for (size_t j = 0; j < d; j++) gradients[at + j] += rows_.along_weights[i] * weights[at + j];
    }
  }

  void TakeBias(const Chunk& chunk, const Own& own, double& sum) const {
    if (BinaryBias()) {
      for (size_t c = 0; c < chunk.classes; c++) sum += static_cast<double>(own.bias_sums[c]);
    } else {
      memcpy(op_.grad_bias + chunk.first, own.bias_sums, chunk.classes * sizeof(float));
    }
  }

  const MarginSoftmaxOp& op_;
  const std::atomic<bool>* cancel_;
  const KernelTable& kernels_;
  int threads_;
  size_t k_;
  ClassBlocks cut_;
  size_t row_block_, row_blocks_;
  Workspace space_;
  WeightRows weights_;
  MarginRows rows_;
  bool wants_x_, wants_w_, backward_;
  size_t panels_ = 0, left_floats_ = 0, right_floats_ = 0, own_floats_ = 0, kept_chunks_ = 0;
  size_t own_places_[kOwnArrays] = {};
  float *left_ = nullptr, *right_ = nullptr, *own_ = nullptr, *kept_ = nullptr;
  SoftmaxState* states_ = nullptr;
  double* bias_ = nullptr;
};

}  // namespace

Status MarginSoftmax(const MarginSoftmaxOp& op, const std::atomic<bool>* cancel) noexcept { return Run(op, cancel)(); }

}  // namespace hypersphere
