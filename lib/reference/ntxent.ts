// NT-Xent: for each positive pair a softmax of its similarity against those of the anchor's negatives. A row's negatives are summed once for all of
// its positives: log(e^p / (e^p + Σe^n)) = −softplus(log Σe^n − p).
import type { NtXentOp } from '../ops/batch-losses.js';
import { logSumExp, sigmoid, softplus } from './log-sum.js';
import { countPairs, rowsOf, sidesOf } from './row-sweep.js';

export function ntXentLoss(op: NtXentOp): number {
  const { temperature } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns } = rows;
  const share = 1 / Math.max(countPairs(rows).positive, 1);
  let loss = 0;
  rows.sweep((i, z, derivatives) => {
    const { positive, negative } = sidesOf(rows, i);
    for (let j = 0; j < columns; j++) z[j] = (z[j] as number) / temperature;
    const others = logSumExp(z, negative);
    let push = 0;
    for (let j = 0; j < columns; j++) {
      if (!positive(j)) continue;
      const excess = others - (z[j] as number);
      loss += share * softplus(excess);
      const pull = (share * sigmoid(excess)) / temperature;
      derivatives[j] = -pull;
      push += pull;
    }
    if (push === 0) return;
    for (let j = 0; j < columns; j++) if (negative(j)) derivatives[j] = push * Math.exp((z[j] as number) - others);
  });
  return rows.finish(loss);
}
