// Circle loss: log-sum-exp of a row's positives times that of its negatives, each similarity weighed by how far it is from its optimum.
import type { CircleOp } from '../ops/batch-losses.js';
import { logSumExp, sigmoid, softplus } from './log-sum.js';
import { anchorShare, hasBoth, rowsOf, sidesOf } from './row-sweep.js';

export function circleLoss(op: CircleOp): number {
  const { m, gamma, perExample } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns } = rows;
  const counts = (i: number): boolean => hasBoth(rows, i);
  const share = anchorShare(rows, counts);
  let loss = 0;
  rows.sweep((i, s, derivatives) => {
    perExample[i] = 0;
    if (!counts(i)) return;
    const { positive, negative } = sidesOf(rows, i);
    // `derivatives` holds the logits' slopes until their weights are known; the factors [·]₊ are constants to it, as the paper has them.
    for (let j = 0; j < columns; j++) {
      const similarity = s[j] as number;
      derivatives[j] = positive(j) ? -gamma * Math.max(0, 1 + m - similarity) : gamma * Math.max(0, similarity + m);
      s[j] = (derivatives[j] as number) * (similarity - (positive(j) ? 1 - m : m));
    }
    const [own, others] = [logSumExp(s, positive), logSumExp(s, negative)];
    const slope = share * sigmoid(own + others);
    for (let j = 0; j < columns; j++) {
      const part = Math.exp((s[j] as number) - (positive(j) ? own : others));
      derivatives[j] = j === i ? 0 : slope * part * (derivatives[j] as number);
    }
    perExample[i] = softplus(own + others);
    loss += share * softplus(own + others);
  });
  return rows.finish(loss);
}
