// Tuplet margin loss: every positive against the sum of all negatives of its anchor, after its angle was made harder by the margin.
import type { TupletMarginOp } from '../ops/batch-losses.js';
import { angularSlope, atAngle } from './curves.js';
import { logOf, logSumOf, shareOf, sigmoid, softplus } from './log-sum.js';
import { countPairs, rowsOf } from './row-sweep.js';

export function tupletMarginLoss(op: TupletMarginOp): number {
  const { margin, s: scale } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, labels, positives } = rows;
  const share = 1 / Math.max(countPairs(rows).positive, 1);
  let loss = 0;
  rows.sweep((a, s, derivatives) => {
    if (positives[a] === 0) return;
    const z = (k: number): number => scale * (s[k] as number);
    const sum = logSumOf(columns, (k) => (labels[k] === labels[a] ? -Infinity : z(k)));
    let push = 0;
    for (let p = 0; p < columns; p++) {
      if (p === a || labels[p] !== labels[a]) continue;
      const cosine = Math.max(-1, Math.min(1, s[p] as number));
      const gap = logOf(sum) - scale * atAngle(1, -margin, cosine);
      loss += share * softplus(gap);
      const g = share * scale * sigmoid(gap);
      derivatives[p] = -g * angularSlope(1, -margin, cosine);
      push += g;
    }
    if (push === 0) return;
    for (let k = 0; k < columns; k++) if (labels[k] !== labels[a]) derivatives[k] = push * shareOf(sum, z(k));
  });
  return rows.finish(loss);
}
