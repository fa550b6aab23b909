// Circle loss: log-sum-exp of a row's positives times that of its negatives, each similarity weighed by how far it is from its optimum.
import type { CircleOp } from '../ops/pairs.js';
import { logistic, logSumExp, softplus } from './log-sum-exp.js';
import { sidesOf, sumOfRows } from './pair-rows.js';

export function circleLoss(op: CircleOp): number {
  const { labels, n, m, gamma, perExample } = op;
  const sides = sidesOf(labels);
  const rows = labels.reduce((sum, _, i) => sum + (sides.hasBoth(i) ? 1 : 0), 0);
  const scale = 1 / Math.max(rows, 1);
  return sumOfRows({ ...op, distance: 'cosineSimilarity', normalize: true }, (i, s, g) => {
    perExample[i] = 0;
    if (!sides.hasBoth(i)) return 0;
    const [positive, negative] = [sides.isPositive(i), sides.isNegative(i)];
    // g holds the logits' slopes until their weights are known; the factors [·]₊ are constants to it, as the paper has them.
    for (let j = 0; j < n; j++) {
      const similarity = s[j] as number;
      g[j] = positive(j) ? -gamma * Math.max(0, 1 + m - similarity) : gamma * Math.max(0, similarity + m);
      s[j] = (g[j] as number) * (similarity - (positive(j) ? 1 - m : m));
    }
    const [own, others] = [logSumExp(s, positive), logSumExp(s, negative)];
    const slope = scale * logistic(own + others);
    for (let j = 0; j < n; j++) g[j] = j === i ? 0 : slope * Math.exp((s[j] as number) - (positive(j) ? own : others)) * (g[j] as number);
    const value = softplus(own + others);
    perExample[i] = value;
    return scale * value;
  });
}
