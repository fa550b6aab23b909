// Triplets of the anchors of a block, a group of sixteen threads to an anchor: ops/batch_triplet.cc on a GPU, whose header says what is fused and
// why. Distances are read once more for each pass over a row; what the CPU sorts is sorted by rank, and what it counts is counted by integer
// atomics, which know no order. Loss and coefficients are float64 sums in the CPU's order: threads have the terms, and hand them on one by one.
#include "../device.h"
#include "../pair_args.h"
#include "sorted.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/row_terms.h"
#include "../../ops/pair_weights.h"
#include "../../ops/semi_hard.h"
#include "../../ops/triplet_terms.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

class DeviceAnchor {
 public:
  HYPERSPHERE_DEVICE DeviceAnchor(const PairBlock& block, const TripletBlock& of, size_t at)
      : block_(block), of_(of), at_(at), row_(block.first + at), apart_(block.distances + at * block.columns), class_(of.classes.class_of[row_]),
        own_(of.classes.rows + of.classes.starts[class_]), own_count_(of.classes.starts[class_ + 1] - of.classes.starts[class_]), count_(own_count_ - 1) {
    place_ = 0;
    for (size_t left = own_count_; left > 0;) {
      const size_t half = left / 2;
      const bool beyond = own_[place_ + half] < row_;
      place_ = beyond ? place_ + half + 1 : place_;
      left = beyond ? left - half - 1 : half;
    }
  }

  HYPERSPHERE_DEVICE void Look() {
    bool odd = false, nan = false;
    for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) {
      if (block_.metric == Metric::kCosineSimilarity) apart_[j] = j == row_ ? 0 : -apart_[j];
      odd = odd || !(apart_[j] - apart_[j] == 0);
      nan = nan || apart_[j] != apart_[j];
    }
    finite_ = !AnyOfLanes(odd);
    totals_.nan = AnyOfLanes(nan);
    GroupFence();
    if (!finite_) totals_.nan = totals_.nan || Lost();
  }

  HYPERSPHERE_DEVICE void BatchHard(const GradientSums& to) {
    uint64_t farthest = kNoRank;
    for (size_t i = OwnFirst(); i < count_; i += kOwnStep) Take(farthest, PositiveAt(i), true);
    farthest = LeastOfLanes(farthest);
    const uint64_t nearest = NearestNegative();
    double slope = 0;
    if (farthest != kNoRank && nearest != kNoRank) slope = Count(apart_[IndexOf(farthest)], apart_[IndexOf(nearest)]);
    if (!of_.wanted) return;
    for (size_t word = OwnFirst(); word < to.words; word += kOwnStep) to.marks[at_ * to.words + word] = 0;
    GroupFence();
    if (!FirstLane()) return;
    to.marked[at_] = slope != 0;
    if (slope == 0) return;
    Mark(to, IndexOf(farthest), slope);
    Mark(to, IndexOf(nearest), -slope);
  }

  // Leaves coefficients in the block's weights.
  HYPERSPHERE_DEVICE void Dense() {
    double* const coefficients = Coefficients();
    for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) coefficients[j] = 0;
    GroupFence();
    if (count_ > 0 && own_count_ != block_.columns) Choose();
    GroupFence();
    float* const weights = block_.weights + at_ * block_.columns;
    for (size_t j = OwnFirst(); of_.wanted && j < block_.columns; j += kOwnStep) weights[j] = static_cast<float>(coefficients[j]);
  }

  HYPERSPHERE_DEVICE void Report() const {
    if (FirstLane()) of_.totals[row_] = totals_;
  }

 private:
  HYPERSPHERE_DEVICE double* Coefficients() const { return of_.coefficients + at_ * block_.columns; }
  HYPERSPHERE_DEVICE bool Negative(size_t j) const { return of_.classes.class_of[j] != class_; }
  HYPERSPHERE_DEVICE size_t PositiveAt(size_t i) const { return own_[i + (i >= place_ ? 1 : 0)]; }
  HYPERSPHERE_DEVICE size_t SortedAt(size_t i) const { return IndexOf(of_.order[at_ * of_.most + i]); }

  HYPERSPHERE_DEVICE bool Lost() const {
    bool near = false, far = false;
    for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) {
      if (!Infinite(apart_[j])) continue;
      near = near || !Negative(j);
      far = far || Negative(j);
    }
    return AnyOfLanes(near) && AnyOfLanes(far);
  }

  // The better of a rank and a column's; NaN never wins.
  HYPERSPHERE_DEVICE void Take(uint64_t& best, size_t j, bool farthest) const {
    if (apart_[j] != apart_[j]) return;
    const uint64_t rank = RankOf(apart_[j], farthest, j);
    best = rank < best ? rank : best;
  }

  HYPERSPHERE_DEVICE uint64_t NearestNegative() const {
    uint64_t nearest = kNoRank;
    for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) {
      if (Negative(j)) Take(nearest, j, false);
    }
    return LeastOfLanes(nearest);
  }

  HYPERSPHERE_DEVICE TripletTerm TermOfPair(float near, float far) const {
    return TermOf(static_cast<double>(near) - static_cast<double>(far) + of_.margin, of_.soft);
  }

  HYPERSPHERE_DEVICE double Count(float near, float far) {
    const TripletTerm term = TermOfPair(near, far);
    totals_.triplets++;
    totals_.loss += term.value;
    if (term.active) totals_.active++;
    return term.slope;
  }

  HYPERSPHERE_DEVICE void Add(size_t positive, size_t negative) {
    const double slope = Count(apart_[positive], apart_[negative]);
    if (!FirstLane()) return;
    Coefficients()[positive] += slope;
    Coefficients()[negative] -= slope;
  }

  HYPERSPHERE_DEVICE void Mark(const GradientSums& to, size_t j, double coefficient) {
    float distance = apart_[j];
    if (block_.metric == Metric::kSnr) {
      float given = static_cast<float>(coefficient);
      to.row_sums[row_] += ThroughSignal(to.moments[row_].spread, distance, given);
      coefficient = static_cast<double>(given);
    }
    block_.weights[at_ * block_.columns + j] = PairWeight(block_.metric, coefficient, distance);
    to.marks[at_ * to.words + j / 64] |= uint64_t{1} << (j % 64);
  }

  HYPERSPHERE_DEVICE void Choose() {
    switch (of_.mining) {
      case Mining::kSemiHardClosest: return Closest();
      case Mining::kHardestViolating: return HardestViolating();
      case Mining::kFaceNetSemiHard: return FaceNet();
      default: break;
    }
    if (of_.soft || !finite_) return Stream();
    Sort();
    switch (of_.mining) {
      case Mining::kViolating: return Hinge<Mining::kViolating>();
      case Mining::kSemiHard: return Hinge<Mining::kSemiHard>();
      case Mining::kHard: return Hinge<Mining::kHard>();
      case Mining::kEasy: return Hinge<Mining::kEasy>();
      default: return Hinge<Mining::kAll>();
    }
  }

  HYPERSPHERE_DEVICE void Sort() {
    uint64_t* const order = of_.order + at_ * of_.most;
    size_t size = 1;
    while (size < count_) size *= 2;
    for (size_t i = OwnFirst(); i < size; i += kOwnStep) order[i] = i < count_ ? RankOf(apart_[PositiveAt(i)], false, PositiveAt(i)) : kNoRank;
    GroupFence();
    SortRanks(order, size);
  }

  // As in ops/batch_triplet.cc: a sorted positive becomes the least number that the rule holds for.
  template <class Rule>
  HYPERSPHERE_DEVICE const float* BoundsOf(size_t which, double margin, const Rule& holds) {
    float* const bounds = of_.bounds + (at_ * 3 + which) * of_.most;
    for (size_t i = OwnFirst(); i < count_; i += kOwnStep) {
      const double near = static_cast<double>(apart_[SortedAt(i)]);
      bounds[i] = EndOf(static_cast<float>(near + margin), [&](float far) { return holds(near, static_cast<double>(far)); });
    }
    return bounds;
  }

  template <Mining kMining>
  HYPERSPHERE_DEVICE void Hinge() {
    double* const sums = of_.sums + at_ * (of_.most + 1);
    unsigned* const shares = of_.shares + at_ * (of_.most + 1);
    const double margin = of_.margin;
    constexpr bool kFirst = kMining == Mining::kViolating || kMining == Mining::kSemiHard || kMining == Mining::kHard;
    constexpr bool kLast = kMining == Mining::kSemiHard || kMining == Mining::kEasy;
    const auto within = [=](double near, double far) { return far - near <= margin; };
    const auto not_beyond = [](double near, double far) { return far - near <= 0; };
    const float *firsts = nullptr, *lasts = nullptr;
    if constexpr (kMining == Mining::kViolating) firsts = BoundsOf(0, margin, [=](double near, double far) { return far - near < margin; });
    if constexpr (kMining == Mining::kSemiHard) firsts = BoundsOf(0, margin, within);
    if constexpr (kMining == Mining::kHard) firsts = BoundsOf(0, 0, not_beyond);
    if constexpr (kMining == Mining::kSemiHard) lasts = BoundsOf(1, 0, not_beyond);
    if constexpr (kMining == Mining::kEasy) lasts = BoundsOf(1, margin, within);
    const float* const costs = BoundsOf(2, margin, [=](double near, double far) { return near - far + margin > 0; });
    for (size_t i = OwnFirst(); i <= count_; i += kOwnStep) shares[i] = 0;
    double sum = 0;
    if (FirstLane()) sums[0] = 0;
    for (size_t i = 0; i < count_; i++) {
      sum += static_cast<double>(apart_[SortedAt(i)]);
      if (FirstLane()) sums[i + 1] = sum;
    }
    GroupFence();
    double* const coefficients = Coefficients();
    uint64_t triplets = 0, all_active = 0;
    for (size_t from = 0; from < block_.columns; from += kLanes) {
      const size_t k = from + Lane();
      double term = 0;
      if (k < block_.columns && Negative(k)) {
        const double far = static_cast<double>(apart_[k]);
        const size_t first = kFirst ? Reached(firsts, count_, apart_[k]) : 0, last = kLast ? Reached(lasts, count_, apart_[k]) : count_;
        if (first < last) {
          triplets += last - first;
          const size_t reached = Reached(costs, count_, apart_[k]), active = reached > first ? reached : first;
          if (active < last) {
            const double count = static_cast<double>(last - active);
            all_active += last - active;
            term = sums[last] - sums[active] - count * far + count * margin;
            AtomicAdd(shares + active, 1);
            AtomicAdd(shares + last, ~0u);
            coefficients[k] = -count;
          }
        }
      }
      totals_.loss = AddInOrder(totals_.loss, term);
    }
    totals_.triplets = AddInOrder(0, static_cast<double>(triplets));
    totals_.active = AddInOrder(0, static_cast<double>(all_active));
    GroupFence();
    int share = 0;
    for (size_t i = 0; i < count_; i++) {
      share += static_cast<int>(shares[i]);
      if (OwnLane(i)) coefficients[SortedAt(i)] = static_cast<double>(share);
    }
  }

  // Every triplet of a band: a negative after the other, sixteen positives at a time.
  HYPERSPHERE_DEVICE void Stream() {
    double* const coefficients = Coefficients();
    for (size_t k = 0; k < block_.columns; k++) {
      if (!Negative(k)) continue;
      double of_negative = 0;
      for (size_t from = 0; from < count_; from += kLanes) {
        const size_t i = from + Lane();
        TripletTerm term{0, 0, false};
        bool inside = false;
        if (i < count_) {
          const size_t positive = PositiveAt(i);
          inside = Inside(of_.mining, static_cast<double>(apart_[k]) - static_cast<double>(apart_[positive]), of_.margin);
          if (inside) {
            term = TermOfPair(apart_[positive], apart_[k]);
            coefficients[positive] += term.slope;
          }
        }
        totals_.triplets += static_cast<double>(__builtin_popcount(Ballot(GroupMask(), inside)));
        totals_.active += static_cast<double>(__builtin_popcount(Ballot(GroupMask(), term.active)));
        totals_.loss = AddInOrder(totals_.loss, term.value);
        of_negative = AddInOrder(of_negative, -term.slope);
      }
      if (FirstLane()) coefficients[k] = of_negative;
    }
  }

  HYPERSPHERE_DEVICE void HardestViolating() {
    const uint64_t nearest = NearestNegative();
    if (nearest == kNoRank) return;
    const size_t negative = IndexOf(nearest);
    for (size_t i = 0; i < count_; i++) {
      const size_t positive = PositiveAt(i);
      const double gap = static_cast<double>(apart_[positive]) - static_cast<double>(apart_[negative]) + of_.margin;
      if (positive > row_ && gap > 0) Add(positive, negative);
    }
  }

  // Every negative waits at the last of the sorted positives that it lies beyond. Where an order of all is not to be had, each positive looks
  // through all negatives.
  HYPERSPHERE_DEVICE void Closest() {
    uint64_t farthest = kNoRank;
    for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) {
      if (Negative(j)) Take(farthest, j, true);
    }
    farthest = LeastOfLanes(farthest);
    if (!finite_) return ClosestOfAny(farthest);
    Sort();
    const float* const bounds = BoundsOf(0, 0, [](double near, double far) { return !(near < far); });
    uint64_t* const waiting = of_.waiting + at_ * of_.most;
    for (size_t i = OwnFirst(); i < count_; i += kOwnStep) waiting[i] = kNoRank;
    GroupFence();
    for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) {
      if (!Negative(j)) continue;
      const size_t beyond = Reached(bounds, count_, apart_[j]);
      if (beyond > 0) AtomicLeast(waiting + beyond - 1, RankOf(apart_[j], false, j));
    }
    GroupFence();
    uint64_t closest = kNoRank;
    for (size_t i = count_; i-- > 0;) {
      if (waiting[i] != kNoRank) closest = waiting[i];
      Add(SortedAt(i), IndexOf(closest != kNoRank ? closest : farthest));
    }
  }

  HYPERSPHERE_DEVICE void ClosestOfAny(uint64_t farthest) {
    for (size_t i = 0; i < count_; i++) {
      const size_t positive = PositiveAt(i);
      uint64_t closest = kNoRank;
      for (size_t j = OwnFirst(); j < block_.columns; j += kOwnStep) {
        if (Negative(j) && apart_[j] > apart_[positive]) Take(closest, j, false);
      }
      closest = LeastOfLanes(closest);
      const uint64_t chosen = closest != kNoRank ? closest : farthest;
      if (chosen != kNoRank) Add(positive, IndexOf(chosen));
    }
  }

  HYPERSPHERE_DEVICE bool InBand(const RowBand& band, size_t j) const { return j < block_.columns && Negative(j) && Holds(band, apart_[j]); }

  HYPERSPHERE_DEVICE void FaceNet() {
    for (size_t i = 0; i < count_; i++) {
      const size_t positive = PositiveAt(i);
      const RowBand band = SemiHardBand(apart_[positive], of_.margin);
      unsigned inside = 0;
      for (size_t from = 0; from < block_.columns; from += kLanes) {
        inside += static_cast<unsigned>(__builtin_popcount(Ballot(GroupMask(), InBand(band, from + Lane()))));
      }
      if (inside == 0) continue;
      Sfc32 stream(of_.seed, static_cast<uint32_t>(row_), static_cast<uint32_t>(positive));
      unsigned left = stream.Integer(inside);
      for (size_t from = 0; from < block_.columns; from += kLanes) {
        uint32_t bits = Ballot(GroupMask(), InBand(band, from + Lane())) >> (threadIdx.x & 16) & 0xffff;
        const unsigned here = static_cast<unsigned>(__builtin_popcount(bits));
        if (left >= here) {
          left -= here;
          continue;
        }
        for (; left > 0; left--) bits &= bits - 1;
        Add(positive, from + LowestBit(bits));
        break;
      }
    }
  }

  const PairBlock& block_;
  const TripletBlock& of_;
  const size_t at_, row_;
  float* const apart_;
  const size_t class_;
  const size_t* const own_;
  const size_t own_count_, count_;
  size_t place_;
  bool finite_ = true;
  TripletTotals totals_{};
};

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL_BLOCKS(1) void batch_hard_triplets(const PairBlock block, const TripletBlock of, const GradientSums to) {
  const size_t at = GroupRow();
  if (at >= block.count) return;
  DeviceAnchor anchor(block, of, at);
  anchor.Look();
  anchor.BatchHard(to);
  anchor.Report();
}

HYPERSPHERE_KERNEL_BLOCKS(1) void chosen_triplets(const PairBlock block, const TripletBlock of) {
  const size_t at = GroupRow();
  if (at >= block.count) return;
  DeviceAnchor anchor(block, of, at);
  anchor.Look();
  anchor.Dense();
  anchor.Report();
}
