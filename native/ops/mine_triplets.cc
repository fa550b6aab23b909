// The triplets that a rule selects. Every rule compares d_an − d_ap with a bound, in float64 as the reference does, and for one positive such a
// bound is a float32 (float_order.h): so a rule becomes a band of the anchor's negatives, which the level's passes count and find a vector at a
// time, or the nearest of them beyond one. What is drawn has the stream of its pair.
#include <algorithm>

#include "float_order.h"
#include "mining.h"
#include "semi_hard.h"

namespace hypersphere {
namespace {

constexpr size_t kFewPositives = 32;
constexpr RowBand kNothing = {kInfinite, -kInfinite};

}  // namespace

class TripletRule {
 public:
  TripletRule(const TripletMiner& miner, size_t worker)
      : op_(miner.op_), rows_(miner.rows_), weights_(miner.weights_), bands_(CurrentKernels().row_bands), n_(miner.op_.n),
        found_(miner.space_.At<int32_t>(miner.found_place_) + worker * 2 * n_), order_(miner.space_.At<uint32_t>(miner.order_place_) + worker * n_),
        sums_(miner.space_.At<double>(miner.sums_place_) + worker * n_) {}

  uint64_t Count(const MinedAnchor& anchor) const {
    if (anchor.count == 0 || anchor.negatives == 0) return 0;
    const auto all_if = [&](bool any) { return any ? uint64_t{anchor.count} : 0; };
    switch (op_.strategy) {
      case Mining::kAll: return uint64_t{anchor.count} * anchor.negatives;
      case Mining::kBatchHard: return FarthestPositive(anchor) != nullptr && NearestBeyond(anchor, n_) != n_ ? 1 : 0;
      case Mining::kSemiHardClosest: return all_if(NearestBeyond(anchor, n_) != n_);
      case Mining::kDistanceWeighted: return all_if(bands_.first(anchor.apart, n_, Weighted()) != n_);
      case Mining::kHardestViolating: {
        uint64_t count = 0;
        EachViolating(anchor, [&](uint32_t, size_t) { count++; });
        return count;
      }
      case Mining::kFaceNetSemiHard: return Sum(anchor, [&](RowBand band) { return bands_.first(anchor.apart, n_, band) != n_ ? 1 : 0; });
      default: return Sum(anchor, [&](RowBand band) { return bands_.count(anchor.apart, n_, band); });
    }
  }

  // visit(positive, negatives, count) for the positives in order; negatives may be 0 of them.
  template <class Visit>
  void Each(const MinedAnchor& anchor, const Visit& visit) const {
    const auto one = [&](uint32_t positive, size_t negative) {
      const int32_t only = static_cast<int32_t>(negative);
      if (negative != n_) visit(positive, &only, size_t{1});
    };
    switch (op_.strategy) {
      case Mining::kAll:
        rows_.ListNegatives(anchor.row, found_);
        for (size_t i = 0; i < anchor.count; i++) visit(anchor.positives[i].row, found_, anchor.negatives);
        return;
      case Mining::kBatchHard:
        if (const MinedPositive* const farthest = FarthestPositive(anchor)) one(farthest->row, NearestBeyond(anchor, n_));
        return;
      case Mining::kSemiHardClosest: return EachClosest(anchor, one);
      case Mining::kHardestViolating: return EachViolating(anchor, one);
      case Mining::kFaceNetSemiHard:
        for (size_t i = 0; i < anchor.count; i++) {
          const Sfc32 stream(op_.seed, static_cast<uint32_t>(anchor.row), anchor.positives[i].row);
          one(anchor.positives[i].row, DrawInBand(bands_, anchor.apart, n_, BandOf(anchor.positives[i].apart), stream, found_));
        }
        return;
      case Mining::kDistanceWeighted: return EachWeighted(anchor, one);
      default:
        for (size_t i = 0; i < anchor.count; i++) {
          visit(anchor.positives[i].row, found_, bands_.find(anchor.apart, n_, BandOf(anchor.positives[i].apart), found_));
        }
    }
  }

 private:
  // Distances are never −∞, so that may be a band's open end. From an infinite one nothing is farther, and no gap is defined to another.
  RowBand BandOf(float near) const {
    if (near != near) return kNothing;
    const double from = static_cast<double>(near), margin = op_.margin;
    const auto last = [=](const auto& holds) { return LastOf(from + margin, [=](float far) { return holds(static_cast<double>(far) - from); }); };
    const auto violates = [=](double gap) { return gap < margin; };
    const auto within = [=](double gap) { return gap <= margin; };
    switch (op_.strategy) {
      case Mining::kViolating: return {-kInfinite, last(violates)};
      case Mining::kSemiHard: return {near, last(within)};
      case Mining::kHard: return {-kInfinite, LastOf(from, [=](float far) { return static_cast<double>(far) - from <= 0; })};
      case Mining::kEasy: return near < kInfinite ? RowBand{last(within), kInfinite} : kNothing;
      case Mining::kFaceNetSemiHard: return SemiHardBand(near, margin);
      default: return kNothing;
    }
  }

  static RowBand Weighted() {
    return {-kInfinite, LastOf(DistanceWeights::kEnd, [](float value) { return static_cast<double>(value) < DistanceWeights::kEnd; })};
  }

  template <class CountIn>
  uint64_t Sum(const MinedAnchor& anchor, const CountIn& count_in) const {
    uint64_t count = 0;
    for (size_t i = 0; i < anchor.count; i++) count += static_cast<uint64_t>(count_in(BandOf(anchor.positives[i].apart)));
    return count;
  }

  template <class One>
  void EachViolating(const MinedAnchor& anchor, const One& one) const {
    const size_t negative = NearestBeyond(anchor, n_);
    if (negative == n_) return;
    const double far = static_cast<double>(anchor.apart[negative]);
    for (size_t i = 0; i < anchor.count; i++) {
      const MinedPositive& positive = anchor.positives[i];
      if (positive.row > anchor.row && static_cast<double>(positive.apart) - far + op_.margin > 0) one(positive.row, negative);
    }
  }

  // In the order of the positives' distances: the nearest beyond one stays the nearest beyond all that it still lies beyond. Few positives look
  // for the next one in the row, for many the negatives are sorted as well.
  template <class One>
  void EachClosest(const MinedAnchor& anchor, const One& one) const {
    const MinedPositive* const positives = anchor.positives;
    const size_t farthest = FarthestNegative(anchor, n_);
    size_t ordered = 0;
    for (size_t i = 0; i < anchor.count; i++) {
      found_[i] = static_cast<int32_t>(farthest);
      if (positives[i].apart == positives[i].apart) order_[ordered++] = static_cast<uint32_t>(i);
    }
    std::sort(order_, order_ + ordered, [=](uint32_t a, uint32_t b) { return positives[a].apart < positives[b].apart; });
    const bool sorted = ordered > kFewPositives;
    int32_t* const by_distance = found_ + n_;
    const size_t negatives = sorted ? bands_.find(anchor.apart, n_, {-kInfinite, kInfinite}, by_distance) : 0;
    std::sort(by_distance, by_distance + negatives, [&](int32_t a, int32_t b) {
      return anchor.apart[a] < anchor.apart[b] || (anchor.apart[a] == anchor.apart[b] && a < b);
    });
    size_t closest = n_, at = 0;
    for (size_t t = 0; t < ordered; t++) {
      const float near = positives[order_[t]].apart;
      if (sorted) {
        while (at < negatives && !(anchor.apart[by_distance[at]] > near)) at++;
        closest = at < negatives ? static_cast<size_t>(by_distance[at]) : n_;
      } else if (closest == n_ || !(anchor.apart[closest] > near)) {
        closest = NearestBeyond(anchor, n_, near);
      }
      if (closest == n_) break;  // nor is there one beyond those that follow
      found_[order_[t]] = static_cast<int32_t>(closest);
    }
    for (size_t i = 0; i < anchor.count; i++) one(positives[i].row, static_cast<size_t>(found_[i]));
  }

  // Relative to the largest: the weights themselves overflow at some hundred components.
  template <class One>
  void EachWeighted(const MinedAnchor& anchor, const One& one) const {
    const size_t count = bands_.find(anchor.apart, n_, Weighted(), found_);
    if (count == 0) return;
    double top = -scalar::kInfinity, sum = 0;
    for (size_t c = 0; c < count; c++) {
      sums_[c] = weights_.LogOf(anchor.apart[found_[c]]);
      top = sums_[c] > top ? sums_[c] : top;
    }
    for (size_t c = 0; c < count; c++) sums_[c] = sum += DistanceWeights::PowerOf(sums_[c] - top);
    for (size_t i = 0; i < anchor.count; i++) {
      Sfc32 stream(op_.seed, static_cast<uint32_t>(anchor.row), anchor.positives[i].row);
      const double drawn = static_cast<double>(stream.Bits()) / 0x1p32 * sum;
      one(anchor.positives[i].row, static_cast<size_t>(found_[std::upper_bound(sums_, sums_ + count - 1, drawn) - sums_]));
    }
  }

  const MineTripletsOp& op_;
  const MinedRows& rows_;
  const DistanceWeights& weights_;
  const RowBands& bands_;
  const size_t n_;
  int32_t* const found_;  // [2 · n]
  uint32_t* const order_;
  double* const sums_;
};

TripletMiner::TripletMiner(const MineTripletsOp& op)
    : op_(op), rows_(space_, {op.x, op.labels, op.n, op.d, op.metric, op.normalize}, op.strategy != Mining::kAll), chosen_(space_, op.n),
      weights_(space_, op.strategy == Mining::kDistanceWeighted),
      found_place_(space_.Add<int32_t>(2 * op.n * rows_.Workers())),
      order_place_(space_.Add<uint32_t>(op.strategy == Mining::kSemiHardClosest ? op.n * rows_.Workers() : 0)),
      sums_place_(space_.Add<double>(op.strategy == Mining::kDistanceWeighted ? op.n * rows_.Workers() : 0)) {}

Status TripletMiner::Count(const std::atomic<bool>* cancel) noexcept {
  if (!space_.Allocate()) return Status::kOutOfMemory;
  const Status status = rows_.Prepare(cancel);
  if (status != Status::kOk) return status;
  if (op_.strategy == Mining::kDistanceWeighted) weights_.Prepare(static_cast<double>(op_.d));
  return rows_.Sweep([&](const MinedAnchor& anchor, size_t worker) { chosen_.Count(anchor.row) = TripletRule(*this, worker).Count(anchor); }, cancel);
}

Status TripletMiner::Fill(int32_t* out, uint64_t wanted, const std::atomic<bool>* cancel) noexcept {
  if (wanted == 0) return Status::kOk;
  chosen_.Place(out, wanted, Sfc32(op_.seed));
  const auto fill = [&](const MinedAnchor& anchor, size_t worker) {
    Chosen<3>::Slots slots = chosen_.SlotsOf(anchor.row);
    if (slots.AreFull()) return;
    const int32_t a = static_cast<int32_t>(anchor.row);
    TripletRule(*this, worker).Each(anchor, [&](uint32_t p, const int32_t* negatives, size_t count) {
      slots.Next(count, [=](int32_t* to, size_t i) {
        to[0] = a;
        to[1] = static_cast<int32_t>(p);
        to[2] = negatives[i];
      });
    });
    slots.Finish();
  };
  return rows_.Sweep(fill, cancel);
}

}  // namespace hypersphere
