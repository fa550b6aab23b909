// The pairs that a rule selects. Of a row's negatives a rule takes a band, whose float64 bound becomes a float32 (float_order.h), one by its
// distance, or all; its positives are few and are compared one by one. What is selected is listed in either step, since a row has no more
// of it than of columns.
#include "float_order.h"
#include "mining.h"

namespace hypersphere {

class PairRule {
 public:
  PairRule(const PairMiner& miner, size_t worker)
      : op_(miner.op_), rows_(miner.rows_), bands_(CurrentKernels().row_bands), n_(miner.op_.n),
        own_(miner.space_.At<int32_t>(miner.found_place_) + worker * 2 * n_), others_(own_ + n_) {}

  // Lists what is selected of the anchor's rows.
  void Select(const MinedAnchor& anchor) {
    switch (op_.strategy) {
      case PairStrategy::kMultiSimilarity: return MultiSimilarity(anchor);
      case PairStrategy::kPairMargin: return PairMargin(anchor);
      case PairStrategy::kBatchHard: return AddOne(FarthestPositive(anchor), NearestBeyond(anchor, n_));
      case PairStrategy::kEasyHard: return SelectEasyHard(anchor);
    }
  }

  const int32_t* Own() const { return own_; }
  size_t OwnCount() const { return own_count_; }
  const int32_t* Others() const { return others_; }
  size_t OtherCount() const { return other_count_; }

 private:
  template <class Keep>
  void AddOwn(const MinedAnchor& anchor, const Keep& keep) {
    for (size_t i = 0; i < anchor.count; i++) {
      own_[own_count_] = static_cast<int32_t>(anchor.positives[i].row);
      own_count_ += keep(static_cast<double>(anchor.positives[i].apart)) ? 1 : 0;
    }
  }

  // Those for which a rule holds, which then holds for all nearer ones.
  template <class Keep>
  void AddNear(const MinedAnchor& anchor, double guess, const Keep& keep) {
    const float last = LastOf(guess, [=](float value) { return keep(static_cast<double>(value)); });
    other_count_ = bands_.find(anchor.apart, n_, {-kInfinite, last}, others_);
  }

  void AddAllOthers(const MinedAnchor& anchor) {
    rows_.ListNegatives(anchor.row, others_);
    other_count_ = anchor.negatives;
  }

  void AddOne(const MinedPositive* positive, size_t negative) {
    if (positive != nullptr) own_[own_count_++] = static_cast<int32_t>(positive->row);
    if (negative != n_) others_[other_count_++] = static_cast<int32_t>(negative);
  }

  // s_ij + ε > min s_i⁺ and s_ij − ε < max s_i⁻, in distances.
  void MultiSimilarity(const MinedAnchor& anchor) {
    const double epsilon = op_.epsilon;
    const size_t nearest = NearestBeyond(anchor, n_);
    const MinedPositive* const farthest = FarthestPositive(anchor);
    if (nearest != n_) {
      const double near = static_cast<double>(anchor.apart[nearest]);
      AddOwn(anchor, [=](double value) { return value + epsilon > near; });
    }
    if (farthest != nullptr) {
      const double far = static_cast<double>(farthest->apart);
      AddNear(anchor, far + epsilon, [=](double value) { return value - epsilon < far; });
    }
  }

  void PairMargin(const MinedAnchor& anchor) {
    const double sign = op_.metric == Metric::kCosineSimilarity ? -1 : 1, from = sign * op_.pos_margin, to = sign * op_.neg_margin;
    AddOwn(anchor, [=](double value) { return value > from; });
    AddNear(anchor, to, [=](double value) { return value < to; });
  }

  // pytorch-metric-learning's BatchEasyHardMiner. What a semi-hard side is measured by comes first.
  void SelectEasyHard(const MinedAnchor& anchor) {
    const EasyHard positives = op_.positives, negatives = op_.negatives;
    const MinedPositive* positive = nullptr;
    size_t negative = n_;
    if (positives == EasyHard::kHard) positive = FarthestPositive(anchor);
    if (positives == EasyHard::kEasy) positive = NearestPositive(anchor);
    if (negatives == EasyHard::kHard) negative = NearestBeyond(anchor, n_);
    if (negatives == EasyHard::kEasy) negative = FarthestNegative(anchor, n_);
    if (positives == EasyHard::kSemiHard && negative != n_) positive = FarthestWithin(anchor, anchor.apart[negative]);
    if (negatives == EasyHard::kSemiHard && positive != nullptr) negative = NearestBeyond(anchor, n_, positive->apart);
    const bool alone = positives == EasyHard::kAll || negatives == EasyHard::kAll;
    if (alone || (positive != nullptr && negative != n_)) AddOne(positive, negative);
    if (positives == EasyHard::kAll) AddOwn(anchor, [](double) { return true; });
    if (negatives == EasyHard::kAll) AddAllOthers(anchor);
  }

  static const MinedPositive* NearestPositive(const MinedAnchor& anchor) {
    const MinedPositive* nearest = nullptr;
    for (size_t i = 0; i < anchor.count; i++) {
      const MinedPositive& positive = anchor.positives[i];
      if (positive.apart == positive.apart && (nearest == nullptr || positive.apart < nearest->apart)) nearest = &positive;
    }
    return nearest;
  }

  static const MinedPositive* FarthestWithin(const MinedAnchor& anchor, float bound) {
    const MinedPositive* farthest = nullptr;
    for (size_t i = 0; i < anchor.count; i++) {
      const MinedPositive& positive = anchor.positives[i];
      if (positive.apart < bound && (farthest == nullptr || positive.apart > farthest->apart)) farthest = &positive;
    }
    return farthest;
  }

  const MinePairsOp& op_;
  const MinedRows& rows_;
  const RowBands& bands_;
  const size_t n_;
  int32_t* const own_;
  int32_t* const others_;
  size_t own_count_ = 0, other_count_ = 0;
};

PairMiner::PairMiner(const MinePairsOp& op)
    : op_(op), rows_(space_, {op.x, op.labels, op.n, op.d, op.metric, op.normalize}), positives_(space_, op.n), negatives_(space_, op.n),
      found_place_(space_.Add<int32_t>(2 * op.n * rows_.Workers())) {}

Status PairMiner::Count(const std::atomic<bool>* cancel) noexcept {
  if (!space_.Allocate()) return Status::kOutOfMemory;
  const Status status = rows_.Prepare(cancel);
  if (status != Status::kOk) return status;
  const auto count = [&](const MinedAnchor& anchor, size_t worker) {
    PairRule rule(*this, worker);
    rule.Select(anchor);
    positives_.Count(anchor.row) = rule.OwnCount();
    negatives_.Count(anchor.row) = rule.OtherCount();
  };
  return rows_.Sweep(count, cancel);
}

Status PairMiner::Fill(int32_t* positives, uint64_t wanted_positives, int32_t* negatives, uint64_t wanted_negatives,
                       const std::atomic<bool>* cancel) noexcept {
  if (wanted_positives == 0 && wanted_negatives == 0) return Status::kOk;
  positives_.Place(positives, wanted_positives, Sfc32(op_.seed, 1));
  negatives_.Place(negatives, wanted_negatives, Sfc32(op_.seed, 0));
  const auto fill = [&](const MinedAnchor& anchor, size_t worker) {
    Chosen<2>::Slots own = positives_.SlotsOf(anchor.row), others = negatives_.SlotsOf(anchor.row);
    if (own.AreFull() && others.AreFull()) return;
    PairRule rule(*this, worker);
    rule.Select(anchor);
    const auto write = [&](Chosen<2>::Slots& slots, const int32_t* rows, size_t count) {
      slots.Next(count, [=](int32_t* to, size_t i) {
        to[0] = static_cast<int32_t>(anchor.row);
        to[1] = rows[i];
      });
      slots.Finish();
    };
    write(own, rule.Own(), rule.OwnCount());
    write(others, rule.Others(), rule.OtherCount());
  };
  return rows_.Sweep(fill, cancel);
}

}  // namespace hypersphere
