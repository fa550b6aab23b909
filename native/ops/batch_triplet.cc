// Triplet loss over the triplets of a batch without N² distances or N³ triplets. Blocks of anchors get their distances to all
// columns, the batch's rows and those of a memory; then each anchor is worked on alone. With the hinge its few positives are sorted, and a vector of negatives finds how many of them
// make a triplet of the rule and how many an active one, since every rule compares d_an − d_ap with a bound: a positive becomes the least
// float32 that the rule holds no more for. Counts in buckets and their running sums give the loss, the counts and every pair's
// coefficient: O(N log P) an anchor, exact. Softplus is no function of one pair and streams the triplets. All sums are float64, over an anchor's negatives in order and then over the anchors.
#include <stdint.h>
#include <string.h>

#include <algorithm>

#include "../cpu.h"
#include "batch_rows.h"
#include "blocks.h"
#include "float_order.h"
#include "ops.h"
#include "semi_hard.h"
#include "triplet_terms.h"

namespace hypersphere {
namespace {

constexpr size_t kAnchorsOfTask = 4;
constexpr size_t kLanes = 16;

struct Positive {
  float apart;
  uint32_t row;
};

struct Totals {
  double loss, triplets, active;
  bool nan;  // among the distances
};

struct Scratch {
  Positive* positives;    // [columns]
  float* distances;       // [columns], first the positives' bounds
  uint32_t* reached;      // [columns] each of the rules' two bounds and the hinge's
  double* sums;           // [columns + 1] of the sorted positives' distances
  double* shares;         // [columns + 1]
  double* coefficients;   // [columns] of the anchor's pairs
};

class Anchor {
 public:
  Anchor(const BatchTripletOp& op, const BatchRows& rows, const Scratch& scratch, size_t row, float* apart)
      : op_(op), scratch_(scratch), row_(row), columns_(rows.Columns()), apart_(apart), own_(rows.Own(row)), own_count_(rows.OwnCount(row)) {
    bool odd = false;
    if (rows.Cosine()) {
      for (size_t j = 0; j < columns_; j++) apart[j] = -apart[j];
      apart[row] = 0;
    }
    for (size_t j = 0; j < columns_; j++) odd |= !(apart[j] - apart[j] == 0);
    finite_ = !odd;
    for (size_t j = 0; odd && j < columns_; j++) totals_.nan = totals_.nan || apart[j] != apart[j];
    for (size_t i = 0; i < own_count_; i++) {
      if (own_[i] != row) scratch_.positives[count_++] = {apart[own_[i]], static_cast<uint32_t>(own_[i])};
    }
    if (odd) totals_.nan = totals_.nan || Lost();
  }

  Totals Run() {
    if (op_.mining == Mining::kBatchHard) {
      BatchHard();
    } else {
      memset(scratch_.coefficients, 0, columns_ * sizeof(double));
      if (count_ != 0 && own_count_ != columns_) Dense();
    }
    return totals_;
  }

  struct Pair {
    size_t positive, negative;
    double slope;
  };
  const Pair& Only() const { return only_; }  // of batchHard, slope 0 for none

 private:
  // Distances beyond float32 to positives and to negatives cannot be compared: the rules would leave out what they select.
  bool Lost() const {
    bool near = false, far = false;
    for (size_t i = 0; i < count_; i++) near = near || Infinite(scratch_.positives[i].apart);
    NegativeRuns([&](size_t from, size_t to) {
      for (size_t k = from; near && k < to; k++) far = far || Infinite(apart_[k]);
    });
    return far;
  }

  void Dense() {
    switch (op_.mining) {
      case Mining::kSemiHardClosest: return SemiHardClosest();
      case Mining::kHardestViolating: return HardestViolating();
      case Mining::kFaceNetSemiHard: return FaceNet();
      default: break;
    }
    if (op_.soft || !finite_) return Stream();
    std::sort(scratch_.positives, scratch_.positives + count_,
              [](const Positive& a, const Positive& b) { return a.apart < b.apart || (a.apart == b.apart && a.row < b.row); });
    switch (op_.mining) {
      case Mining::kViolating: return Hinge<Mining::kViolating>();
      case Mining::kSemiHard: return Hinge<Mining::kSemiHard>();
      case Mining::kHard: return Hinge<Mining::kHard>();
      case Mining::kEasy: return Hinge<Mining::kEasy>();
      default: return Hinge<Mining::kAll>();
    }
  }

  // visit(first, last) for the runs of rows between those of the own class.
  template <class Function>
  void NegativeRuns(const Function& visit) const {
    size_t first = 0;
    for (size_t i = 0; i < own_count_; i++) {
      if (own_[i] > first) visit(first, own_[i]);
      first = own_[i] + 1;
    }
    if (first < columns_) visit(first, columns_);
  }

  // Counts one triplet; returns ∂loss/∂excess.
  double Count(float near, float far) {
    const TripletTerm term = TermOf(static_cast<double>(near) - static_cast<double>(far) + op_.margin, op_.soft);
    totals_.triplets++;
    totals_.loss += term.value;
    if (term.active) totals_.active++;
    return term.slope;
  }

  void Add(const Positive& positive, size_t negative) {
    const double slope = Count(positive.apart, apart_[negative]);
    scratch_.coefficients[positive.row] += slope;
    scratch_.coefficients[negative] -= slope;
  }

  // For every row the first of the sorted positives for which holds(near, far) does; it then does for all after it.
  template <class Rule>
  const uint32_t* FirstOf(size_t which, double margin, const Rule& holds) const {
    float* const bounds = scratch_.distances;
    for (size_t i = 0; i < count_; i++) {
      const double near = static_cast<double>(scratch_.positives[i].apart);
      bounds[i] = EndOf(static_cast<float>(near + margin), [&](float far) { return holds(near, static_cast<double>(far)); });
    }
    uint32_t* const reached = scratch_.reached + which * columns_;
    CurrentKernels().row_terms.count_reached(apart_, columns_, bounds, count_, reached);
    return reached;
  }

  template <Mining kMining>
  void Hinge() {
    double* const sums = scratch_.sums;
    double* const shares = scratch_.shares;
    const double margin = op_.margin;
    constexpr bool kFirst = kMining == Mining::kViolating || kMining == Mining::kSemiHard || kMining == Mining::kHard;
    constexpr bool kLast = kMining == Mining::kSemiHard || kMining == Mining::kEasy;
    const auto within = [=](double near, double far) { return far - near <= margin; };
    const auto not_beyond = [](double near, double far) { return far - near <= 0; };
    const uint32_t *firsts = nullptr, *lasts = nullptr;
    if constexpr (kMining == Mining::kViolating) firsts = FirstOf(0, margin, [=](double near, double far) { return far - near < margin; });
    if constexpr (kMining == Mining::kSemiHard) firsts = FirstOf(0, margin, within);
    if constexpr (kMining == Mining::kHard) firsts = FirstOf(0, 0, not_beyond);
    if constexpr (kMining == Mining::kSemiHard) lasts = FirstOf(1, 0, not_beyond);
    if constexpr (kMining == Mining::kEasy) lasts = FirstOf(1, margin, within);
    const uint32_t* const costs = FirstOf(2, margin, [=](double near, double far) { return near - far + margin > 0; });
    sums[0] = 0;
    for (size_t i = 0; i < count_; i++) sums[i + 1] = sums[i] + static_cast<double>(scratch_.positives[i].apart);
    for (size_t i = 0; i <= count_; i++) shares[i] = 0;
    NegativeRuns([&](size_t from, size_t to) {
      for (size_t k = from; k < to; k++) {
        const double far = static_cast<double>(apart_[k]);
        const size_t first = kFirst ? firsts[k] : 0, last = kLast ? lasts[k] : count_;
        if (first >= last) continue;
        totals_.triplets += static_cast<double>(last - first);
        const size_t active = Most(first, costs[k]);
        if (active >= last) continue;
        const double count = static_cast<double>(last - active);
        totals_.active += count;
        totals_.loss += sums[last] - sums[active] - count * far + count * margin;
        shares[active] += 1;
        shares[last] -= 1;
        scratch_.coefficients[k] = -count;
      }
    });
    double share = 0;
    for (size_t i = 0; i < count_; i++) {
      share += shares[i];
      scratch_.coefficients[scratch_.positives[i].row] = share;
    }
  }

  // Every triplet of a band by itself: for softplus, and for rows with NaN or infinity, which no order holds.
  void Stream() {
    NegativeRuns([&](size_t from, size_t to) {
      for (size_t k = from; k < to; k++) {
        for (size_t i = 0; i < count_; i++) {
          const Positive& positive = scratch_.positives[i];
          if (Inside(op_.mining, static_cast<double>(apart_[k]) - static_cast<double>(positive.apart), op_.margin)) Add(positive, k);
        }
      }
    });
  }

  // The nearest of the other classes, ties to the lowest; n without any. NaN never wins.
  size_t NearestNegative() const {
    float lanes[kLanes];
    for (float& lane : lanes) lane = __builtin_inff();
    NegativeRuns([&](size_t from, size_t to) {
      size_t k = from;
      for (; k + kLanes <= to; k += kLanes) {
        for (size_t t = 0; t < kLanes; t++) lanes[t] = apart_[k + t] < lanes[t] ? apart_[k + t] : lanes[t];
      }
      for (; k < to; k++) lanes[0] = apart_[k] < lanes[0] ? apart_[k] : lanes[0];
    });
    float least = lanes[0];
    for (const float lane : lanes) least = lane < least ? lane : least;
    size_t found = columns_;
    NegativeRuns([&](size_t from, size_t to) {
      for (size_t k = from; found == columns_ && k < to; k++) {
        if (apart_[k] == least) found = k;
      }
    });
    return found;
  }

  void BatchHard() {
    only_ = {columns_, columns_, 0};
    const Positive* farthest = nullptr;
    for (size_t i = 0; i < count_; i++) {
      const Positive& candidate = scratch_.positives[i];
      if (candidate.apart == candidate.apart && (farthest == nullptr || candidate.apart > farthest->apart)) farthest = &candidate;
    }
    if (farthest == nullptr) return;
    const size_t negative = NearestNegative();
    if (negative == columns_) return;
    only_ = {farthest->row, negative, Count(farthest->apart, apart_[negative])};
  }

  void SemiHardClosest() {
    if (finite_) return SortedClosest();
    for (size_t i = 0; i < count_; i++) {
      const Positive& positive = scratch_.positives[i];
      size_t closest = columns_, farthest = columns_;
      NegativeRuns([&](size_t from, size_t to) {
        for (size_t k = from; k < to; k++) {
          const float value = apart_[k];
          if (value != value) continue;
          if (farthest == columns_ || value > apart_[farthest]) farthest = k;
          if (value > positive.apart && (closest == columns_ || value < apart_[closest])) closest = k;
        }
      });
      const size_t negative = closest != columns_ ? closest : farthest;
      if (negative != columns_) Add(positive, negative);
    }
  }

  // Every negative waits at the last of the sorted positives that it lies beyond; the best so far from the end is each one's.
  void SortedClosest() {
    std::sort(scratch_.positives, scratch_.positives + count_,
              [](const Positive& a, const Positive& b) { return a.apart < b.apart || (a.apart == b.apart && a.row < b.row); });
    const uint32_t* const beyond_of = FirstOf(0, 0, [](double near, double far) { return !(near < far); });
    double* const waiting = scratch_.shares;  // rows, exact in float64
    const double none = static_cast<double>(columns_);
    for (size_t i = 0; i < count_; i++) waiting[i] = none;
    size_t farthest = columns_;
    NegativeRuns([&](size_t from, size_t to) {
      for (size_t k = from; k < to; k++) {
        if (farthest == columns_ || apart_[k] > apart_[farthest]) farthest = k;
        const size_t beyond = beyond_of[k];
        if (beyond == 0) continue;
        double& best = waiting[beyond - 1];
        if (best == none || apart_[k] < apart_[static_cast<size_t>(best)]) best = static_cast<double>(k);
      }
    });
    size_t closest = columns_;
    for (size_t i = count_; i-- > 0;) {
      // What waits further on lies beyond more positives, so it is farther.
      if (waiting[i] != none) closest = static_cast<size_t>(waiting[i]);
      Add(scratch_.positives[i], closest != columns_ ? closest : farthest);
    }
  }

  void HardestViolating() {
    const size_t negative = NearestNegative();
    if (negative == columns_) return;
    for (size_t i = 0; i < count_; i++) {
      const Positive& positive = scratch_.positives[i];
      const double gap = static_cast<double>(positive.apart) - static_cast<double>(apart_[negative]) + op_.margin;
      if (positive.row > row_ && gap > 0) Add(positive, negative);
    }
  }

  void FaceNet() {
    const RowBands& bands = CurrentKernels().row_bands;
    auto* const found = reinterpret_cast<int32_t*>(scratch_.reached);
    // So that a band holds negatives alone, whichever columns the class has.
    for (size_t i = 0; i < own_count_; i++) apart_[own_[i]] = __builtin_nanf("");
    for (size_t i = 0; i < count_; i++) {
      const Positive& positive = scratch_.positives[i];
      const Sfc32 stream(op_.seed, static_cast<uint32_t>(row_), positive.row);
      const size_t negative = DrawInBand(bands, apart_, columns_, SemiHardBand(positive.apart, op_.margin), stream, found);
      if (negative != columns_) Add(positive, negative);
    }
    apart_[row_] = 0;
    for (size_t i = 0; i < count_; i++) apart_[scratch_.positives[i].row] = scratch_.positives[i].apart;
  }

  const BatchTripletOp& op_;
  const Scratch& scratch_;
  const size_t row_, columns_;
  float* const apart_;
  const size_t* const own_;
  const size_t own_count_;
  size_t count_ = 0;
  bool finite_ = true;
  Totals totals_{};
  Pair only_{};
};

void Fill(float* values, size_t count, float value) {
  for (size_t i = 0; i < count; i++) values[i] = value;
}

}  // namespace

Status BatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept {
  const KeptLevel kept;
  const size_t n = op.n, columns = n + op.m, most = AnchorsOfBlock(n, columns);
  if (n == 0 || columns < 2) {  // a row alone takes part in nothing, whatever it holds
    for (size_t i = 0; i < 3; i++) op.result[i] = 0;
    if (op.grad_x != nullptr) Fill(op.grad_x, n * op.d, 0);
    return Status::kOk;
  }
  if (op.swap) return SwappedBatchTriplet(op, cancel);
  const int threads = ThreadsForPass(n, columns);
  const bool hard = op.mining == Mining::kBatchHard, wanted = op.grad_x != nullptr;
  Workspace space;
  BatchRows rows(space, {op.x, op.labels, n, op.d, op.metric, op.normalize, false, op.memory, op.memory_labels, op.m});
  PairGradient gradient(space, rows, !hard, wanted);
  const size_t block_place = space.Add<float>(most * columns), totals_place = space.Add<Totals>(n);
  const size_t workers = static_cast<size_t>(threads), dense = hard ? 0 : columns;
  const size_t positives_place = space.Add<Positive>(columns * workers), coefficients_place = space.Add<double>(dense * workers);
  const size_t distances_place = space.Add<float>(dense * workers), reached_place = space.Add<uint32_t>(3 * dense * workers);
  const size_t sums_place = space.Add<double>((columns + 1) * workers), shares_place = space.Add<double>((columns + 1) * workers);
  if (!space.Allocate()) return Status::kOutOfMemory;
  float* const block = space.At<float>(block_place);
  Totals* const totals = space.At<Totals>(totals_place);
  Status status = rows.Prepare(cancel);
  if (status == Status::kOk) status = gradient.Prepare(cancel);

  bool nan = status == Status::kOk && rows.AnyInfinite();
  for (size_t first = 0; status == Status::kOk && first < n; first += most) {
    const size_t count = Least(most, n - first);
    status = rows.Block(first, count, block, cancel);
    if (status != Status::kOk) break;
    const auto anchors = [&](size_t index, int worker) {
      const size_t w = static_cast<size_t>(worker);
      const Scratch scratch{space.At<Positive>(positives_place) + w * columns, space.At<float>(distances_place) + w * dense,
                            space.At<uint32_t>(reached_place) + 3 * w * dense, space.At<double>(sums_place) + w * (columns + 1),
                            space.At<double>(shares_place) + w * (columns + 1), space.At<double>(coefficients_place) + w * dense};
      for (size_t at = index * kAnchorsOfTask; at < Least((index + 1) * kAnchorsOfTask, count); at++) {
        float* const apart = block + at * columns;
        Anchor anchor(op, rows, scratch, first + at, apart);
        totals[first + at] = anchor.Run();
        if (!wanted) continue;
        gradient.Clear(at);
        if (!hard) {
          memcpy(scratch.distances, apart, columns * sizeof(float));
          for (size_t j = 0; j < columns; j++) apart[j] = static_cast<float>(scratch.coefficients[j]);
          gradient.Weigh(first, at, scratch.distances, apart);
        } else if (anchor.Only().slope != 0) {
          gradient.Mark(first, at, anchor.Only().positive, anchor.Only().slope, apart);
          gradient.Mark(first, at, anchor.Only().negative, -anchor.Only().slope, apart);
        }
      }
    };
    status = ParallelFor(DivideUp(count, kAnchorsOfTask), anchors, cancel, threads);
    if (status != Status::kOk) break;
    for (size_t i = first; i < first + count; i++) nan = nan || totals[i].nan || totals[i].loss != totals[i].loss;
    if (wanted && !nan) status = gradient.Add(first, count, block, cancel);
  }
  if (status != Status::kOk) return status;

  double loss = 0, triplets = 0, active = 0;
  for (size_t i = 0; i < n; i++) {
    loss += totals[i].loss;
    triplets += totals[i].triplets;
    active += totals[i].active;
  }
  const double scale = TripletScale(op.reduction, triplets, active);
  op.result[0] = nan ? __builtin_nan("") : scale * loss;
  op.result[1] = triplets;
  op.result[2] = active;
  if (!wanted) return status;
  if (!nan) return gradient.Write(scale, op.grad_x, cancel);
  Fill(op.grad_x, n * op.d, __builtin_nanf(""));
  return status;
}

}  // namespace hypersphere
