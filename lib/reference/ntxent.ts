// NT-Xent: for each positive pair a softmax of its similarity against those of the anchor's negatives. A row's negatives are summed once for all of
// its positives: log(e^p / (e^p + Σe^n)) = −softplus(lse(n) − p).
import type { NtXentOp } from '../ops/pairs.js';
import { logistic, logSumExp, softplus } from './log-sum-exp.js';
import { sidesOf, sumOfRows } from './pair-rows.js';

export function ntXentLoss(op: NtXentOp): number {
  const { labels, n, temperature } = op;
  const sides = sidesOf(labels);
  const scale = 1 / Math.max(sides.positivePairs, 1);
  return sumOfRows({ ...op, distance: 'cosineSimilarity', normalize: true }, (i, z, g) => {
    const [positive, negative] = [sides.isPositive(i), sides.isNegative(i)];
    for (let j = 0; j < n; j++) z[j] = (z[j] as number) / temperature;
    const others = logSumExp(z, negative);
    let [value, slope] = [0, 0];
    for (let j = 0; j < n; j++) {
      if (!positive(j)) continue;
      const excess = others - (z[j] as number);
      value += softplus(excess);
      const share = (scale * logistic(excess)) / temperature;
      g[j] = -share;
      slope += share;
    }
    for (let j = 0; j < n; j++) if (slope !== 0 && negative(j)) g[j] = slope * Math.exp((z[j] as number) - others);
    return scale * value;
  });
}
