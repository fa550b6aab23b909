// The batch triplet loss with `swap` on the device: what ops/batch_triplet_swap.cc does over the sweep of ops/pair_sweep.h. Columns are by class; a block of
// anchors is met with its own rows and then with the others of its classes, gathered by no more than a block, in the CPU's order. Rows of the memory
// follow as positives. Distances and weights never leave the device.
#include <string.h>

#include "../../ops/blocks.h"
#include "../../ops/triplet_terms.h"
#include "pair_batch.h"
#include "triplets.h"

namespace hypersphere {
namespace cuda {
namespace {

// What of the batch the host knows, before the device has anything.
class SwappedBatch {
 public:
  explicit SwappedBatch(const BatchTripletOp& op)
      : op_(op), rows_(space_, {op.x, op.labels, op.n, op.d, op.metric, op.normalize, true, op.memory, op.memory_labels, op.m}),
        runs_(space_.Add<ClassRuns>(rows_.Columns())), given_(space_.Add<uint32_t>(rows_.Columns())), column_of_(space_.Add<uint32_t>(rows_.Columns())),
        stored_(space_.Add<int32_t>(op.m)), totals_(space_.Add<TripletTotals>(op.n)), listed_(space_.Add<int32_t>(Most(op.n, op.m))),
        gradient_(space_.Add<float>(op.grad_x != nullptr ? op.n * op.d : 0)) {}

  Status Start(const std::atomic<bool>* cancel) {
    if (!space_.Allocate()) return Status::kOutOfMemory;
    const Status status = rows_.Order(cancel);
    if (status != Status::kOk) return status;
    ClassRuns* const runs = space_.At<ClassRuns>(runs_);
    for (size_t column = 0; column < rows_.Columns(); column++) {
      runs[column] = {0, 0, 0, 0};
      const size_t given = rows_.Given(column);
      space_.At<uint32_t>(given_)[column] = static_cast<uint32_t>(given);
      space_.At<uint32_t>(column_of_)[given] = static_cast<uint32_t>(column);
    }
    for (size_t at = 0; at < op_.n; at++) {
      const Span own = rows_.OwnRun(at), stored = rows_.MemoryRun(at);
      runs[at] = {own.first, own.last, stored.first, stored.last};
      for (size_t column = stored.first; at == own.first && column < stored.last; column++) {
        runs[column] = runs[at];
        Stored()[stored_count_++] = static_cast<int32_t>(column);
      }
    }
    return status;
  }

  SwappedTriplets Upload(Call& call) const {
    const size_t columns = rows_.Columns();
    return {call.Upload(space_.At<ClassRuns>(runs_), columns),
            call.Upload(space_.At<uint32_t>(given_), columns),
            call.Upload(space_.At<uint32_t>(column_of_), columns),
            op_.mining,
            op_.margin,
            op_.seed,
            op_.soft,
            op_.grad_x != nullptr,
            call.Allocate<TripletTotals>(op_.n)};
  }

  const BatchRows& Rows() const { return rows_; }
  const ClassRuns& Runs(size_t column) const { return space_.At<ClassRuns>(runs_)[column]; }
  size_t ColumnOf(size_t given) const { return space_.At<uint32_t>(column_of_)[given]; }
  int32_t* Stored() const { return space_.At<int32_t>(stored_); }  // columns whose class is in the batch
  size_t StoredCount() const { return stored_count_; }
  TripletTotals* Totals() const { return space_.At<TripletTotals>(totals_); }
  int32_t* Listed() const { return space_.At<int32_t>(listed_); }
  float* Gradient() const { return space_.At<float>(gradient_); }

 private:
  const BatchTripletOp& op_;
  Workspace space_;
  BatchRows rows_;
  size_t runs_, given_, column_of_, stored_, totals_, listed_, gradient_;
  size_t stored_count_ = 0;
};

class Run {
 public:
  Run(const BatchTripletOp& op, const SwappedBatch& batch, const std::atomic<bool>* cancel)
      : op_(op), batch_(batch), call_(cancel), pairs_(call_, batch.Rows(), true, op.grad_x != nullptr), of_(batch.Upload(call_)) {
    const bool stored = batch.StoredCount() > 0;
    if (pairs_.Most() < op.n || stored) others_ = pairs_.AllocateListed();
    if (of_.wanted && stored) anchors_ = pairs_.AllocateListed();
  }

  Status operator()() {
    for (size_t first = 0; !call_.Failed() && first < op_.n; first += pairs_.Most()) OfBatch(first);
    for (size_t first = 0; of_.wanted && !call_.Failed() && first < batch_.StoredCount(); first += pairs_.Most()) OfStored(first);
    TripletTotals* const totals = batch_.Totals();
    call_.Download(totals, of_.totals, op_.n);
    Status status = call_.Finish();
    if (status != Status::kOk) return status;
    double loss = 0, triplets = 0, active = 0;
    bool undefined = batch_.Rows().AnyInfinite();
    for (size_t i = 0; i < op_.n; i++) {
      const TripletTotals& row = totals[batch_.ColumnOf(i)];
      loss += row.loss;
      triplets += row.triplets;
      active += row.active;
      undefined = undefined || row.nan;
    }
    undefined = undefined || loss != loss;
    const double scale = TripletScale(op_.reduction, triplets, active);
    if (of_.wanted) status = Gradient(undefined, scale);
    if (status != Status::kOk) return status;
    op_.result[0] = undefined ? __builtin_nan("") : scale * loss;
    op_.result[1] = triplets;
    op_.result[2] = active;
    return status;
  }

 private:
  void OfBatch(size_t first) {
    const PairBlock block = pairs_.Distances(first);
    const size_t last = first + block.count;
    Clear(block);
    LaunchPairs(block, block);
    int32_t* const listed = batch_.Listed();
    size_t count = 0;
    for (size_t at = batch_.Runs(first).own_first; at < first; at++) listed[count++] = static_cast<int32_t>(at);
    for (size_t at = last; at < batch_.Runs(last - 1).own_last; at++) listed[count++] = static_cast<int32_t>(at);
    WithOthers(block, listed, count);
    count = 0;
    for (size_t at = first; at < last; at = batch_.Runs(at).own_last) {
      const ClassRuns& runs = batch_.Runs(at);
      for (size_t column = runs.stored_first; column < runs.stored_last; column++) listed[count++] = static_cast<int32_t>(column);
    }
    WithOthers(block, listed, count);
    if (!of_.wanted) return;
    pairs_.LaunchWeigh(block);
    pairs_.LaunchAdd(block);
  }

  void OfStored(size_t first) {
    const size_t count = Least(pairs_.Most(), batch_.StoredCount() - first);
    const int32_t* const stored = batch_.Stored() + first;
    const PairBlock block = pairs_.Distances(stored, count, anchors_);
    Clear(block);
    int32_t* const listed = batch_.Listed();
    size_t others = 0;
    for (size_t at = batch_.Runs(stored[0]).own_first; at < batch_.Runs(stored[count - 1]).own_last; at++) listed[others++] = static_cast<int32_t>(at);
    WithOthers(block, listed, others);
    pairs_.LaunchWeigh(block);
    pairs_.LaunchAddStored(block, anchors_);
  }

  void Clear(const PairBlock& block) {
    const size_t count = block.count * block.columns;
    if (of_.wanted) call_.LaunchThreads(Kernel::k_clear_floats, count, block.weights, count);
  }

  void WithOthers(const PairBlock& anchors, const int32_t* columns, size_t count) {
    for (size_t first = 0; !call_.Failed() && first < count; first += pairs_.Most()) {
      LaunchPairs(anchors, pairs_.Distances(columns + first, Least(pairs_.Most(), count - first), others_));
    }
  }

  void LaunchPairs(const PairBlock& anchors, const PairBlock& partners) {
    call_.LaunchGroups(Kernel::k_swapped_triplets, anchors.count, anchors, partners, of_);
  }

  // What is undefined has none.
  Status Gradient(bool undefined, double scale) {
    const size_t d = op_.d;
    if (undefined) {
      for (size_t i = 0; i < op_.n * d; i++) op_.grad_x[i] = __builtin_nanf("");
      return Status::kOk;
    }
    float* const gradient = batch_.Gradient();
    call_.Download(gradient, pairs_.LaunchFinish(batch_.Rows().Cosine() ? -scale : scale), op_.n * d);
    const Status status = call_.Finish();
    if (status != Status::kOk) return status;
    for (size_t i = 0; i < op_.n; i++) memcpy(op_.grad_x + i * d, gradient + batch_.ColumnOf(i) * d, d * sizeof(float));
    return status;
  }

  const BatchTripletOp& op_;
  const SwappedBatch& batch_;
  Call call_;
  PairBatch pairs_;
  const SwappedTriplets of_;
  ListedRows others_{}, anchors_{};
};

}  // namespace

Status SwappedBatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept {
  SwappedBatch batch(op);
  const Status status = batch.Start(cancel);
  return status == Status::kOk ? Run(op, batch, cancel)() : status;
}

}  // namespace cuda
}  // namespace hypersphere
