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
