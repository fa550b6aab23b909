// Triplet loss of a batch where a negative counts from the nearer of anchor and positive: [d_ap − min(d_an, d_pn) + margin]₊. It compares two rows of a
// class with all columns, so it streams the triplets over a sweep of pairs. A triplet moves either its anchor's distance to the
// negative or its positive's; a row therefore looks at each of its pairs both as anchor and as positive, and adds what falls to it. Sums are float64,
// over a row's pairs in order and then over the rows. Rows of a memory are positives and negatives but no anchors: as
// positives they say what their distances want of the batch.
#include <algorithm>

#include "pair_sweep.h"
#include "semi_hard.h"
#include "triplet_terms.h"

namespace hypersphere {
namespace {

constexpr size_t kNone = ~size_t{0};
constexpr size_t kLoss = 0, kTriplets = 1, kActive = 2, kSums = 3;

class Pair {
 public:
  Pair(const BatchTripletOp& op, const BatchRows& rows, const PairedRow& pair)
      : op_(op),
        rows_(rows),
        pair_(pair),
        anchor_(pair.at < op.n),
        positive_(pair.derivatives != nullptr && pair.partner < op.n),
        side_(rows.Cosine() ? -1 : 1),
        near_(Apart(pair.values, pair.partner)) {}

  void Run() {
    switch (op_.mining) {
      case Mining::kAll: Band<Mining::kAll>(); break;
      case Mining::kViolating: Band<Mining::kViolating>(); break;
      case Mining::kSemiHard: Band<Mining::kSemiHard>(); break;
      case Mining::kHard: Band<Mining::kHard>(); break;
      case Mining::kEasy: Band<Mining::kEasy>(); break;
      default: One(); break;
    }
    if (!anchor_) return;
    if (Lost()) loss_ = __builtin_nan("");
    pair_.sums[kLoss] += loss_;
    pair_.sums[kTriplets] += triplets_;
    pair_.sums[kActive] += active_;
    if (Wanted()) pair_.derivatives[pair_.partner] += static_cast<float>(side_ * slope_);
  }

 private:
  // As in batch_triplet.cc.
  bool Lost() const {
    if (!Infinite(pair_.values[pair_.partner])) return false;
    for (const Span& run : pair_.negatives) {
      for (size_t k = run.first; k < run.last; k++) {
        if (Infinite(pair_.values[k])) return true;
      }
    }
    return false;
  }

  bool Wanted() const { return pair_.derivatives != nullptr; }
  double Apart(const float* values, size_t k) const { return side_ * static_cast<double>(values[k]); }

  template <Mining kMining>
  void Band() {
    const double mirrored = Apart(pair_.partner_values, pair_.at), margin = op_.margin;
    const bool both = anchor_ && positive_ == Wanted();
    if (both && !op_.soft && mirrored == near_) return Wanted() ? Hinge<kMining, true>() : Hinge<kMining, false>();
    for (const Span& run : pair_.negatives) {
      for (size_t k = run.first; k < run.last; k++) {
        const double far = Apart(pair_.values, k), across = Apart(pair_.partner_values, k);
        const bool mine = anchor_ && Inside(kMining, far - near_, margin);
        const double slope = mine ? AsAnchor(k, far, across) : 0;
        if (!positive_ || !(far < across) || !Inside(kMining, across - mirrored, margin)) continue;
        // The same excess has the same slope, which softplus makes dear.
        Push(k, mine && mirrored == near_ ? slope : SlopeAsPositive(far, mirrored));
      }
    }
  }

  // The same of the hinge without a branch: which triplets are active is as good as random.
  template <Mining kMining, bool kWanted>
  void Hinge() {
    const double near = near_, margin = op_.margin, side = side_;
    double loss = 0;
    size_t triplets = 0, active = 0;
    for (const Span& run : pair_.negatives) {
      for (size_t k = run.first; k < run.last; k++) {
        const double far = side * static_cast<double>(pair_.values[k]), across = side * static_cast<double>(pair_.partner_values[k]);
        const bool crossed = across < far, kept = far < across;
        const double excess = near - (crossed ? across : far) + margin;
        const size_t mine = Inside(kMining, far - near, margin), positive = excess > 0;
        loss += ((mine == 0) | (excess <= 0)) ? 0 : excess;
        triplets += mine;
        active += mine & positive;
        if constexpr (kWanted) {
          const size_t theirs = Inside(kMining, across - near, margin);
          const size_t pushes = positive * ((mine & static_cast<size_t>(!crossed)) + (theirs & static_cast<size_t>(kept)));
          pair_.derivatives[k] -= static_cast<float>(side) * static_cast<float>(static_cast<int32_t>(pushes));
        }
      }
    }
    loss_ += loss;
    triplets_ += static_cast<double>(triplets);
    active_ += static_cast<double>(active);
    slope_ += static_cast<double>(active);
  }

  // The rules that choose one negative, or none.
  void One() {
    const size_t mine = anchor_ ? Chosen(pair_.values, pair_.at, pair_.partner) : kNone;
    if (mine != kNone) AsAnchor(mine, Apart(pair_.values, mine), Apart(pair_.partner_values, mine));
    const size_t theirs = positive_ ? Chosen(pair_.partner_values, pair_.partner, pair_.at) : kNone;
    if (theirs == kNone) return;
    const double far = Apart(pair_.values, theirs);
    if (far < Apart(pair_.partner_values, theirs)) Push(theirs, SlopeAsPositive(far, Apart(pair_.partner_values, pair_.at)));
  }

  double AsAnchor(size_t k, double far, double across) {
    const bool crossed = across < far;
    const TripletTerm term = TermOf(near_ - (crossed ? across : far) + op_.margin, op_.soft);
    triplets_++;
    loss_ += term.value;
    active_ += term.active ? 1 : 0;
    slope_ += term.slope;
    if (!crossed) Push(k, term.slope);
    return term.slope;
  }

  // Of the triplet whose anchor is the partner, where the negative is nearer to this row.
  double SlopeAsPositive(double far, double near) const { return TermOf(near - far + op_.margin, op_.soft).slope; }

  void Push(size_t k, double slope) {
    if (Wanted()) pair_.derivatives[k] -= static_cast<float>(side_ * slope);
  }

  // The negative of the triplet that the rule makes of an anchor and a positive.
  size_t Chosen(const float* values, size_t anchor, size_t positive) const {
    const Sides sides = rows_.SidesOf(anchor);
    if (op_.mining == Mining::kBatchHard) {
      return Extreme(values, sides.positives, true) == positive ? Extreme(values, sides.negatives, false) : kNone;
    }
    const double near = Apart(values, positive);
    if (op_.mining == Mining::kSemiHardClosest) {
      const size_t beyond = Extreme(values, sides.negatives, false, near);
      return beyond != kNone ? beyond : Extreme(values, sides.negatives, true);
    }
    if (op_.mining == Mining::kFaceNetSemiHard) return Drawn(values, sides.negatives, anchor, positive);
    if (rows_.Given(anchor) > rows_.Given(positive)) return kNone;
    const size_t nearest = Extreme(values, sides.negatives, false);
    return nearest != kNone && near - Apart(values, nearest) + op_.margin > 0 ? nearest : kNone;
  }

  // Of the negatives inside FaceNet's band the one whose rank in the caller's order the pair's stream draws.
  size_t Drawn(const float* values, const Side& negatives, size_t anchor, size_t positive) const {
    const RowBand band = SemiHardBand(static_cast<float>(Apart(values, positive)), op_.margin);
    auto* const inside = reinterpret_cast<uint32_t*>(pair_.scratch);
    size_t count = 0;
    for (const Span& run : negatives) {
      for (size_t k = run.first; k < run.last; k++) {
        if (Holds(band, static_cast<float>(Apart(values, k)))) inside[count++] = static_cast<uint32_t>(k);
      }
    }
    if (count == 0) return kNone;
    Sfc32 stream(op_.seed, static_cast<uint32_t>(rows_.Given(anchor)), static_cast<uint32_t>(rows_.Given(positive)));
    uint32_t* const drawn = inside + stream.Integer(static_cast<uint32_t>(count));
    std::nth_element(inside, drawn, inside + count, [this](uint32_t a, uint32_t b) { return rows_.Given(a) < rows_.Given(b); });
    return *drawn;
  }

  // Of the columns beyond a distance, ties to the caller's lowest; NaN never wins.
  size_t Extreme(const float* values, const Side& side, bool farthest, double beyond = -scalar::kInfinity) const {
    size_t best = kNone;
    double record = 0;
    for (const Span& run : side) {
      for (size_t k = run.first; k < run.last; k++) {
        const double value = Apart(values, k);
        if (!(value > beyond)) continue;
        const bool better = best == kNone || (farthest ? value > record : value < record);
        if (!better && !(value == record && rows_.Given(k) < rows_.Given(best))) continue;
        best = k;
        record = value;
      }
    }
    return best;
  }

  const BatchTripletOp& op_;
  const BatchRows& rows_;
  const PairedRow& pair_;
  const bool anchor_, positive_;  // what the row is to its partner; as a positive it only has a gradient
  const double side_, near_;
  double loss_ = 0, triplets_ = 0, active_ = 0, slope_ = 0;
};

}  // namespace

Status SwappedBatchTriplet(const BatchTripletOp& op, const std::atomic<bool>* cancel) noexcept {
  PairSweep sweep({op.x, op.labels, op.n, op.d, op.metric, op.normalize, true, op.memory, op.memory_labels, op.m}, kSums, op.grad_x, cancel);
  Status status = sweep.Start();
  if (status == Status::kOk) status = sweep.Sweep([&](const PairedRow& pair) { Pair(op, sweep.Rows(), pair).Run(); });
  if (status != Status::kOk) return status;
  const double loss = sweep.Sum(kLoss), scale = TripletScale(op.reduction, sweep.Sum(kTriplets), sweep.Sum(kActive));
  const bool undefined = sweep.Undefined() || loss != loss;
  op.result[0] = undefined ? __builtin_nan("") : scale * loss;
  op.result[1] = sweep.Sum(kTriplets);
  op.result[2] = sweep.Sum(kActive);
  return sweep.Finish(undefined, scale);
}

}  // namespace hypersphere
