#include "pair_sweep.h"

#include <string.h>

namespace hypersphere {
namespace {

bool In(const Span& span, size_t at) { return at >= span.first && at < span.last; }

}  // namespace

PairSweep::PairSweep(const PairInput& input, size_t sums, float* grad_x, const std::atomic<bool>* cancel)
    : input_(input),
      sums_(sums),
      grad_x_(grad_x),
      cancel_(cancel),
      terms_(CurrentKernels().row_terms),
      most_threads_(Threads()),
      most_(AnchorsOfBlock(input.n, input.n + input.m)),
      rows_(space_, input),
      gradient_(space_, rows_, true, grad_x != nullptr) {
  const size_t columns = rows_.Columns(), block = most_ * columns;
  const bool wanted = grad_x != nullptr, others = most_ < input.n || input.m > 0;
  block_place_ = space_.Add<float>(block);
  derivatives_place_ = space_.Add<float>(wanted ? block : 0);
  others_place_ = space_.Add<float>(others ? block : 0);
  anchors_place_ = space_.Add<float>(wanted && input.m > 0 ? most_ * input.d : 0);
  partners_place_ = space_.Add<float>(others ? most_ * input.d : 0);
  listed_place_ = space_.Add<size_t>(most_);
  stored_place_ = space_.Add<size_t>(input.m);
  members_place_ = space_.Add<size_t>(input.m);
  before_place_ = space_.Add<size_t>(input.n);
  scratch_place_ = space_.Add<float>(static_cast<size_t>(most_threads_) * columns);
  sums_place_ = space_.Add<double>(input.n * sums);
  nan_place_ = space_.Add<bool>(most_);
}

Status PairSweep::Start() {
  if (!space_.Allocate()) return Status::kOutOfMemory;
  Status status = rows_.Prepare(cancel_);
  if (status == Status::kOk) status = gradient_.Prepare(cancel_);
  if (status != Status::kOk) return status;
  undefined_ = rows_.AnyInfinite();
  size_t* const stored = space_.At<size_t>(stored_place_);
  size_t* const members = space_.At<size_t>(members_place_);
  size_t* const before = space_.At<size_t>(before_place_);
  for (size_t at = 0; at < input_.n; at++) {
    const Span own = rows_.OwnRun(at), memory = rows_.MemoryRun(at);
    positive_pairs_ += static_cast<double>(own.Count() - 1 + memory.Count());
    before[at] = at == own.first ? stored_count_ : before[own.first];
    if (at != own.first) continue;
    for (size_t column = memory.first; column < memory.last; column++) {
      members[stored_count_] = at;
      stored[stored_count_++] = column;
    }
  }
  // A pair is a pass over the columns.
  const int threads = ThreadsForPass(input_.n + static_cast<size_t>(positive_pairs_), rows_.Columns());
  threads_ = threads < most_threads_ ? threads : most_threads_;
  return status;
}

Status PairSweep::Run(const Visitor& visitor) {
  double* const sums = space_.At<double>(sums_place_);
  for (size_t i = 0; i < input_.n * sums_; i++) sums[i] = 0;
  Status status = Status::kOk;
  for (size_t first = 0; status == Status::kOk && first < input_.n; first += most_) status = OfBatch(first, Least(most_, input_.n - first), visitor);
  // What is undefined has no gradient.
  const size_t stored = grad_x_ != nullptr && !undefined_ ? stored_count_ : 0;
  for (size_t first = 0; status == Status::kOk && first < stored; first += most_) status = OfStored(first, Least(most_, stored - first), visitor);
  return status;
}

Status PairSweep::OfBatch(size_t first, size_t count, const Visitor& visitor) {
  const size_t n = input_.n, columns = rows_.Columns(), last = first + count;
  float* const values = space_.At<float>(block_place_);
  float* const derivatives = space_.At<float>(derivatives_place_);
  bool* const nan = space_.At<bool>(nan_place_);
  const bool wanted = grad_x_ != nullptr;
  Status status = rows_.Block(first, count, values, cancel_);
  if (status != Status::kOk) return status;
  const auto begin = [&](size_t at, int) {
    nan[at] = terms_.extent(values + at * columns, columns).nan;
    if (wanted) memset(derivatives + at * columns, 0, columns * sizeof(float));
  };
  status = ParallelFor(count, begin, cancel_, threads_);
  const Block block{nullptr, first, count, values};
  if (status == Status::kOk) status = Pairs(block, block, visitor);
  if (status != Status::kOk) return status;
  for (size_t at = 0; at < count; at++) undefined_ = undefined_ || nan[at];
  const size_t* const before = space_.At<size_t>(before_place_);
  const Span others[] = {{rows_.OwnRun(first).first, first},
                         {last, rows_.OwnRun(last - 1).last},
                         {n + before[first], n + before[last - 1] + rows_.MemoryRun(last - 1).Count()}};
  status = WithOthers(block, others, 3, visitor);
  if (status != Status::kOk || !wanted || undefined_) return status;
  const auto weigh = [&](size_t at, int) {
    gradient_.Clear(at);
    gradient_.Weigh(first, at, values + at * columns, derivatives + at * columns);
  };
  status = ParallelFor(count, weigh, cancel_, threads_);
  return status == Status::kOk ? gradient_.Add(first, count, derivatives, cancel_) : status;
}

Status PairSweep::OfStored(size_t first, size_t count, const Visitor& visitor) {
  const size_t* const members = space_.At<size_t>(members_place_);
  float* const derivatives = space_.At<float>(derivatives_place_);
  float* const gathered = space_.At<float>(anchors_place_);
  const Block block{space_.At<size_t>(stored_place_) + first, first, count, space_.At<float>(block_place_)};
  Status status = Compare(block, gathered);
  if (status != Status::kOk) return status;
  memset(derivatives, 0, count * rows_.Columns() * sizeof(float));
  const Span batch{rows_.OwnRun(members[first]).first, rows_.OwnRun(members[first + count - 1]).last};
  status = WithOthers(block, &batch, 1, visitor);
  return status == Status::kOk ? gradient_.AddStored(block.columns, count, block.values, derivatives, gathered, cancel_) : status;
}

Status PairSweep::WithOthers(const Block& anchors, const Span* spans, size_t count, const Visitor& visitor) {
  size_t* const listed = space_.At<size_t>(listed_place_);
  const size_t* const stored = space_.At<size_t>(stored_place_);
  Block others{listed, 0, 0, space_.At<float>(others_place_)};
  const auto visit = [&] {
    Status status = Compare(others, space_.At<float>(partners_place_));
    if (status == Status::kOk) status = Pairs(anchors, others, visitor);
    others.count = 0;
    return status;
  };
  for (size_t s = 0; s < count; s++) {
    for (size_t i = spans[s].first; i < spans[s].last; i++) {
      listed[others.count++] = i < input_.n ? i : stored[i - input_.n];
      const Status status = others.count == most_ ? visit() : Status::kOk;
      if (status != Status::kOk) return status;
    }
  }
  return others.count > 0 ? visit() : Status::kOk;
}

Status PairSweep::Pairs(const Block& anchors, const Block& partners, const Visitor& visitor) {
  const size_t columns = rows_.Columns();
  const bool stored = anchors.columns != nullptr;
  const auto anchor = [&](size_t i, int worker) {
    const size_t at = anchors.At(i), member = stored ? space_.At<size_t>(members_place_)[anchors.first + i] : at;
    const Sides sides = rows_.SidesOf(member);
    const Span own = rows_.OwnRun(member), memory = rows_.MemoryRun(member);
    PairedRow pair{at, 0, anchors.values + i * columns, nullptr, nullptr, own, sides.negatives, nullptr, nullptr};
    if (grad_x_ != nullptr) pair.derivatives = space_.At<float>(derivatives_place_) + i * columns;
    if (!stored) pair.sums = space_.At<double>(sums_place_) + rows_.Given(at) * sums_;
    pair.scratch = space_.At<float>(scratch_place_) + static_cast<size_t>(worker) * columns;
    for (size_t j = 0; j < partners.count; j++) {
      pair.partner = partners.At(j);
      if (pair.partner == at || !(In(own, pair.partner) || (!stored && In(memory, pair.partner)))) continue;
      pair.partner_values = partners.values + j * columns;
      visitor.visit(visitor.context, pair);
    }
  };
  return ParallelFor(anchors.count, anchor, cancel_, threads_);
}

Status PairSweep::Compare(const Block& block, float* gathered) {
  const size_t d = input_.d;
  for (size_t i = 0; i < block.count; i++) memcpy(gathered + i * d, rows_.Rows() + block.At(i) * d, d * sizeof(float));
  return rows_.Compare(gathered, block.count, block.values, cancel_);
}

double PairSweep::Sum(size_t which) const {
  const double* const sums = space_.At<double>(sums_place_);
  double total = 0;
  for (size_t i = 0; i < input_.n; i++) total += sums[i * sums_ + which];
  return total;
}

Status PairSweep::Finish(bool undefined, double scale) {
  if (grad_x_ == nullptr) return Status::kOk;
  // Alone a row takes part in nothing, whatever it holds.
  if (!undefined && rows_.Columns() > 1) return gradient_.Write(rows_.Cosine() ? -scale : scale, grad_x_, cancel_);
  for (size_t i = 0; i < input_.n * input_.d; i++) grad_x_[i] = undefined ? __builtin_nanf("") : 0;
  return Status::kOk;
}

}  // namespace hypersphere
