// The losses over the rows of a batch: each is one kernel, its rule for a row (native/losses) run by a group of threads (swept_rows.h).
#include "swept_rows.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../losses/rules.h"
HYPERSPHERE_SHARED_CODE_END

using namespace hypersphere;

#define ROW_RULE(name, Rule) \
  HYPERSPHERE_KERNEL_BLOCKS(1) void name(const PairBlock block, const SweptRows of, const Rule rule) { SweepRow(block, of, rule); }
#include "../row_rules.def"
#undef ROW_RULE

// Those of all groups, in whole numbers: in any order.
HYPERSPHERE_KERNEL void fold_shares(const uint64_t* shares, size_t groups, size_t nodes, uint64_t* out) {
  const size_t node = ThreadRow();
  if (node >= nodes) return;
  uint64_t sum = 0;
  for (size_t group = 0; group < groups; group++) sum += shares[group * nodes + node];
  out[node] = sum;
}
