// Triplets whose negative counts from the nearer of anchor and positive, a group of sixteen threads to a row: ops/batch_triplet_swap.cc on a GPU, whose
// header says what a row looks at and why. Fused is all that a pair of rows makes of the columns: both triplets of a negative, where a row is their
// anchor and where it is their positive, while its two distances are in registers. A negative is one thread's for all pairs of a row, so coefficients need
// no atomics; loss and slopes are float64 sums in the CPU's order, which threads without a term have no part in.
#include "block_rows.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/rank.h"
#include "../../ops/semi_hard.h"
#include "../../ops/triplet_terms.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

class SwappedRow {
 public:
  HYPERSPHERE_DEVICE SwappedRow(const PairBlock& block, const SwappedTriplets& of, size_t i)
      : block_(block), of_(of), at_(ColumnOf(block, i)), values_(block.distances + i * block.columns),
        derivatives_(of.wanted ? block.weights + i * block.columns : nullptr), runs_(of.runs[at_]), anchor_(at_ < block.n) {}

  // Before its first pair; `begins` where there was none before this launch.
  HYPERSPHERE_DEVICE void Start(bool begins) {
    if (!anchor_) return;
    if (!begins) {
      totals_ = of_.totals[at_];
      return;
    }
    bool nan = false;
    for (size_t k = OwnFirst(); k < block_.columns; k += kOwnStep) nan = nan || values_[k] != values_[k];
    totals_.nan = AnyOfLanes(nan);
  }

  HYPERSPHERE_DEVICE bool Pairs(size_t column) const { return column != at_ && (InOwn(column) || (anchor_ && InStored(column))); }

  HYPERSPHERE_DEVICE void Visit(size_t partner, const float* partner_values) {
    partner_ = partner;
    across_ = partner_values;
    near_ = Apart(values_, partner);
    mirrored_ = Apart(across_, at_);
    positive_ = derivatives_ != nullptr && partner < block_.n;
    loss_ = slope_ = 0;
    if (of_.mining <= Mining::kEasy) {
      Band();
    } else {
      One();
    }
    if (!anchor_) return;
    if (Lost()) loss_ = __builtin_nan("");
    totals_.loss += loss_;
    if (derivatives_ != nullptr && FirstLane()) derivatives_[partner_] += static_cast<float>(Signed(slope_));
  }

  HYPERSPHERE_DEVICE void Report() const {
    GroupFence();
    if (anchor_ && FirstLane()) of_.totals[at_] = totals_;
  }

 private:
  HYPERSPHERE_DEVICE bool InOwn(size_t k) const { return k >= runs_.own_first && k < runs_.own_last; }
  HYPERSPHERE_DEVICE bool InStored(size_t k) const { return k >= runs_.stored_first && k < runs_.stored_last; }
  HYPERSPHERE_DEVICE bool Negative(size_t k) const { return !InOwn(k) && !InStored(k); }
  // The larger of distances, the smaller of similarities, is farther.
  HYPERSPHERE_DEVICE double Signed(double value) const { return block_.metric == Metric::kCosineSimilarity ? -value : value; }
  HYPERSPHERE_DEVICE double Apart(const float* values, size_t k) const { return Signed(static_cast<double>(values[k])); }

  HYPERSPHERE_DEVICE bool Lost() const {
    if (!Infinite(values_[partner_])) return false;
    bool lost = false;
    for (size_t k = OwnFirst(); k < block_.columns; k += kOwnStep) lost = lost || (Negative(k) && Infinite(values_[k]));
    return AnyOfLanes(lost);
  }

  // A term of 0 leaves a sum as it is.
  HYPERSPHERE_DEVICE static double Added(double sum, double term) { return AnyOfLanes(term != 0) ? AddInOrder(sum, term) : sum; }
  HYPERSPHERE_DEVICE static double Number(bool counts) { return static_cast<double>(__builtin_popcount(Ballot(GroupMask(), counts))); }
  HYPERSPHERE_DEVICE void Push(size_t k, double slope) { derivatives_[k] -= static_cast<float>(Signed(slope)); }
  HYPERSPHERE_DEVICE TripletTerm TermFrom(double near, double far) const { return TermOf(near - far + of_.margin, of_.soft); }

  HYPERSPHERE_DEVICE void Band() {
    for (size_t from = 0; from < block_.columns; from += kLanes) {
      const size_t k = from + Lane();
      const bool here = k < block_.columns && Negative(k);
      const double far = here ? Apart(values_, k) : 0, across = here ? Apart(across_, k) : 0;
      const bool mine = here && anchor_ && Inside(of_.mining, far - near_, of_.margin), crossed = across < far;
      const TripletTerm term = mine ? TermFrom(near_, crossed ? across : far) : TripletTerm{0, 0, false};
      totals_.triplets += Number(mine);
      totals_.active += Number(term.active);
      loss_ = Added(loss_, term.value);
      if (derivatives_ == nullptr) continue;
      slope_ = Added(slope_, term.slope);
      if (mine && !crossed) Push(k, term.slope);
      if (!here || !positive_ || !(far < across) || !Inside(of_.mining, across - mirrored_, of_.margin)) continue;
      Push(k, TermFrom(mirrored_, far).slope);
    }
  }

  // The rules that choose one negative, or none: all threads have the same, and the first one writes.
  HYPERSPHERE_DEVICE void One() {
    const size_t mine = anchor_ ? Chosen(values_, at_, partner_) : kNone;
    if (mine != kNone) {
      const double far = Apart(values_, mine), across = Apart(across_, mine);
      const TripletTerm term = TermFrom(near_, across < far ? across : far);
      totals_.triplets++;
      totals_.active += term.active ? 1 : 0;
      loss_ += term.value;
      slope_ += term.slope;
      if (derivatives_ != nullptr && !(across < far) && FirstLane()) Push(mine, term.slope);
    }
    const size_t theirs = positive_ ? Chosen(across_, partner_, at_) : kNone;
    if (theirs == kNone) return;
    const double far = Apart(values_, theirs);
    if (far < Apart(across_, theirs) && FirstLane()) Push(theirs, TermFrom(mirrored_, far).slope);
  }

  HYPERSPHERE_DEVICE size_t Chosen(const float* values, size_t anchor, size_t positive) const {
    const double near = Apart(values, positive);
    switch (of_.mining) {
      case Mining::kBatchHard: return Extreme(values, anchor, true, true) == positive ? Extreme(values, anchor, false, false) : kNone;
      case Mining::kSemiHardClosest: {
        const size_t beyond = Extreme(values, anchor, false, false, near);
        return beyond != kNone ? beyond : Extreme(values, anchor, false, true);
      }
      case Mining::kFaceNetSemiHard: return Drawn(values, anchor, positive);
      default: break;
    }
    if (of_.given[anchor] > of_.given[positive]) return kNone;
    const size_t nearest = Extreme(values, anchor, false, false);
    return nearest != kNone && near - Apart(values, nearest) + of_.margin > 0 ? nearest : kNone;
  }

  // Of a side's columns beyond a distance, ties to the caller's lowest; NaN never wins.
  HYPERSPHERE_DEVICE size_t Extreme(const float* values, size_t anchor, bool positives, bool farthest, double beyond = -scalar::kInfinity) const {
    uint64_t best = kNoRank;
    for (size_t k = OwnFirst(); k < block_.columns; k += kOwnStep) {
      if (k == anchor || Negative(k) == positives) continue;
      const double value = Apart(values, k);
      if (!(value > beyond)) continue;
      const uint64_t rank = RankOf(static_cast<float>(value), farthest, of_.given[k]);
      best = rank < best ? rank : best;
    }
    best = LeastOfLanes(best);
    return best == kNoRank ? kNone : of_.column_of[static_cast<uint32_t>(best) >> 1];
  }

  // Of the negatives inside FaceNet's band the one whose rank in the caller's order the pair's stream draws.
  HYPERSPHERE_DEVICE size_t Drawn(const float* values, size_t anchor, size_t positive) const {
    const RowBand band = SemiHardBand(static_cast<float>(Apart(values, positive)), of_.margin);
    const auto inside = [&](size_t given) {
      if (given >= block_.columns) return false;
      const size_t k = of_.column_of[given];
      return Negative(k) && Holds(band, static_cast<float>(Apart(values, k)));
    };
    unsigned count = 0;
    for (size_t from = 0; from < block_.columns; from += kLanes) {
      count += static_cast<unsigned>(__builtin_popcount(Ballot(GroupMask(), inside(from + Lane()))));
    }
    if (count == 0) return kNone;
    Sfc32 stream(of_.seed, of_.given[anchor], of_.given[positive]);
    unsigned left = stream.Integer(count);
    for (size_t from = 0; from < block_.columns; from += kLanes) {
      uint32_t bits = Ballot(GroupMask(), inside(from + Lane())) >> (threadIdx.x & 16) & 0xffff;
      const unsigned here = static_cast<unsigned>(__builtin_popcount(bits));
      if (left >= here) {
        left -= here;
        continue;
      }
      for (; left > 0; left--) bits &= bits - 1;
      return of_.column_of[from + LowestBit(bits)];
    }
    return kNone;  // not reached
  }

  static constexpr size_t kNone = ~size_t{0};

  const PairBlock& block_;
  const SwappedTriplets& of_;
  const size_t at_;
  const float* const values_;
  float* const derivatives_;  // or null
  const ClassRuns runs_;
  const bool anchor_;
  bool positive_ = false;  // what the row is to its partner; as a positive it only has a gradient
  size_t partner_ = 0;
  const float* across_ = nullptr;
  double near_ = 0, mirrored_ = 0, loss_ = 0, slope_ = 0;
  TripletTotals totals_{};
};

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

// Each anchor with those of the partners that are of its class.
HYPERSPHERE_KERNEL_BLOCKS(1) void swapped_triplets(const PairBlock anchors, const PairBlock partners, const SwappedTriplets of) {
  const size_t i = GroupRow();
  if (i >= anchors.count) return;
  SwappedRow row(anchors, of, i);
  row.Start(partners.listed == nullptr);
  for (size_t j = 0; j < partners.count; j++) {
    const size_t partner = ColumnOf(partners, j);
    if (row.Pairs(partner)) row.Visit(partner, partners.distances + j * partners.columns);
  }
  row.Report();
}
