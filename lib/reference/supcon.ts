// Supervised contrastive loss: a softmax over each row's similarities to all the others.
import type { SupConOp } from '../ops/batch-losses.js';
import { logOf, logSumOf, shareOf } from './log-sum.js';
import { anchorShare, hasBoth, rowsOf, sidesOf } from './row-sweep.js';

export function supConLoss(op: SupConOp): number {
  const { temperature, perExample } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, positives } = rows;
  const counts = (i: number): boolean => hasBoth(rows, i);
  const share = anchorShare(rows, counts);
  let loss = 0;
  rows.sweep((i, z, derivatives) => {
    perExample[i] = 0;
    if (!counts(i)) return;
    const { positive } = sidesOf(rows, i);
    for (let j = 0; j < columns; j++) z[j] = j === i ? -Infinity : (z[j] as number) / temperature;
    const all = logSumOf(columns, (j) => z[j] as number);
    const each = 1 / (positives[i] as number);
    // Each logit against the largest: the logarithm of the sum keeps its digits.
    let own = 0;
    for (let j = 0; j < columns; j++) if (positive(j)) own += each * ((z[j] as number) - all.max);
    const value = logOf({ ...all, max: 0 }) - own;
    perExample[i] = value;
    loss += share * value;
    for (let j = 0; j < columns; j++) {
      derivatives[j] = (share * (shareOf(all, z[j] as number) - (positive(j) ? each : 0))) / temperature;
    }
  });
  return rows.finish(loss);
}
