// The losses over pairs of rows of one class, a group of sixteen threads to a row: a loss's rule for a pair (native/losses) with the passes of swept_rows.h.
// Fused in one launch are all pairs of a row with a block of partners: its coefficients stay where they are, its sum stays in a register.
#include "block_rows.h"
#include "swept_rows.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../losses/angular.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

template <class Rule>
HYPERSPHERE_DEVICE void SweepPairs(const PairBlock& anchors, const PairBlock& partners, const PairedRows& of, const Rule& rule) {
  const size_t i = GroupRow(), columns = anchors.columns;
  if (i >= anchors.count) return;
  const size_t at = ColumnOf(anchors, i);
  const bool stored = at >= anchors.n;
  const ClassRuns runs = of.runs[at];
  const Span own{runs.own_first, runs.own_last}, memory{runs.stored_first, runs.stored_last};
  const float* const values = anchors.distances + i * columns;
  float* const derivatives = of.wanted ? anchors.weights + i * columns : nullptr;
  double sum = 0;  // alike in all threads
  if (!stored && partners.listed != nullptr) sum = of.sums[at];
  if (!stored && partners.listed == nullptr) {
    const bool nan = ExtentOfRow(values, columns).nan;
    if (FirstLane()) of.nan[at] = nan ? 1 : 0;
  }
  // Of a row of the memory these are those of its class, too.
  PairedRow pair{at, 0, values, nullptr, derivatives, own, SidesOf(own.first, own, memory, anchors.n, columns).negatives, stored ? nullptr : &sum,
                 of.scratch + i * columns};
  for (size_t j = 0; j < partners.count; j++) {
    pair.partner = ColumnOf(partners, j);
    const bool positive = (pair.partner >= own.first && pair.partner < own.last) || (!stored && pair.partner >= memory.first && pair.partner < memory.last);
    if (pair.partner == at || !positive) continue;
    pair.partner_values = partners.distances + j * columns;
    rule(pair, DeviceTerms{});
  }
  GroupFence();
  if (!stored && FirstLane()) of.sums[at] = sum;
}

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

HYPERSPHERE_KERNEL_BLOCKS(1) void angular_pairs(const PairBlock anchors, const PairBlock partners, const PairedRows of, const AngularRule rule) {
  SweepPairs(anchors, partners, of, rule);
}
