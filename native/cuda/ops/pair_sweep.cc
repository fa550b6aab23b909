#include "pair_sweep.h"

#include <string.h>

namespace hypersphere {
namespace cuda {

PairedBatch::PairedBatch(Workspace& space, const PairInput& input, bool wanted)
    : space_(space),
      rows_(space, input),
      wanted_(wanted),
      runs_(space.Add<ClassRuns>(rows_.Columns())),
      given_(space.Add<uint32_t>(rows_.Columns())),
      column_of_(space.Add<uint32_t>(rows_.Columns())),
      stored_(space.Add<int32_t>(input.m)),
      listed_(space.Add<int32_t>(Most(input.n, input.m))),
      gradient_(space.Add<float>(wanted ? input.n * input.d : 0)) {}

Status PairedBatch::Start(const std::atomic<bool>* cancel) {
  const Status status = rows_.Order(cancel);
  if (status != Status::kOk) return status;
  ClassRuns* const runs = space_.At<ClassRuns>(runs_);
  for (size_t column = 0; column < rows_.Columns(); column++) {
    runs[column] = {0, 0, 0, 0};
    const size_t given = rows_.Given(column);
    space_.At<uint32_t>(given_)[column] = static_cast<uint32_t>(given);
    space_.At<uint32_t>(column_of_)[given] = static_cast<uint32_t>(column);
  }
  for (size_t at = 0; at < rows_.Input().n; at++) {
    const Span own = rows_.OwnRun(at), stored = rows_.MemoryRun(at);
    runs[at] = {own.first, own.last, stored.first, stored.last};
    for (size_t column = stored.first; at == own.first && column < stored.last; column++) {
      runs[column] = runs[at];
      space_.At<int32_t>(stored_)[stored_count_++] = static_cast<int32_t>(column);
    }
  }
  return status;
}

PairSweep::PairSweep(Call& call, const PairedBatch& batch) : call_(call), batch_(batch), pairs_(call, batch.Rows(), true, batch.Wanted()) {
  const bool stored = batch.StoredCount() > 0;
  if (pairs_.Most() < batch.Rows().Input().n || stored) others_ = pairs_.AllocateListed();
  if (batch.Wanted() && stored) anchors_ = pairs_.AllocateListed();
}

void PairSweep::SweepWith(const LaunchPairs& launch) {
  for (size_t first = 0; !call_.Failed() && first < batch_.Rows().Input().n; first += pairs_.Most()) OfBatch(first, launch);
  for (size_t first = 0; batch_.Wanted() && !call_.Failed() && first < batch_.StoredCount(); first += pairs_.Most()) OfStored(first, launch);
}

void PairSweep::OfBatch(size_t first, const LaunchPairs& launch) {
  const PairBlock block = pairs_.Distances(first);
  const size_t last = first + block.count;
  const ClassRuns* const runs = batch_.Runs();
  Clear(block);
  launch(block, block);
  int32_t* const listed = batch_.Listed();
  size_t count = 0;
  for (size_t at = runs[first].own_first; at < first; at++) listed[count++] = static_cast<int32_t>(at);
  for (size_t at = last; at < runs[last - 1].own_last; at++) listed[count++] = static_cast<int32_t>(at);
  WithOthers(block, listed, count, launch);
  count = 0;
  for (size_t at = first; at < last; at = runs[at].own_last) {
    for (size_t column = runs[at].stored_first; column < runs[at].stored_last; column++) listed[count++] = static_cast<int32_t>(column);
  }
  WithOthers(block, listed, count, launch);
  if (!batch_.Wanted()) return;
  pairs_.LaunchWeigh(block);
  pairs_.LaunchAdd(block);
}

void PairSweep::OfStored(size_t first, const LaunchPairs& launch) {
  const size_t count = Least(pairs_.Most(), batch_.StoredCount() - first);
  const int32_t* const stored = batch_.Stored() + first;
  const ClassRuns* const runs = batch_.Runs();
  const PairBlock block = pairs_.Distances(stored, count, anchors_);
  Clear(block);
  int32_t* const listed = batch_.Listed();
  size_t others = 0;
  for (size_t at = runs[stored[0]].own_first; at < runs[stored[count - 1]].own_last; at++) listed[others++] = static_cast<int32_t>(at);
  WithOthers(block, listed, others, launch);
  pairs_.LaunchWeigh(block);
  pairs_.LaunchAddStored(block, anchors_);
}

void PairSweep::Clear(const PairBlock& block) {
  const size_t count = block.count * block.columns;
  if (batch_.Wanted()) call_.LaunchThreads(Kernel::k_clear_floats, count, block.weights, count);
}

void PairSweep::WithOthers(const PairBlock& anchors, const int32_t* columns, size_t count, const LaunchPairs& launch) {
  for (size_t first = 0; !call_.Failed() && first < count; first += pairs_.Most()) {
    launch(anchors, pairs_.Distances(columns + first, Least(pairs_.Most(), count - first), others_));
  }
}

Status PairSweep::Finish(bool undefined, double scale, float* grad_x) {
  if (!batch_.Wanted()) return call_.Finish();
  const size_t n = batch_.Rows().Input().n, d = batch_.Rows().Input().d;
  if (undefined) {
    for (size_t i = 0; i < n * d; i++) grad_x[i] = __builtin_nanf("");
    return Status::kOk;
  }
  float* const gradient = batch_.Gradient();
  // The products have the negated dots.
  call_.Download(gradient, pairs_.LaunchFinish(batch_.Rows().Cosine() ? -scale : scale), n * d);
  const Status status = call_.Finish();
  if (status != Status::kOk) return status;
  for (size_t i = 0; i < n; i++) memcpy(grad_x + i * d, gradient + batch_.ColumnOf(i) * d, d * sizeof(float));
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
