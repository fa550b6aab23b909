// Multi-similarity loss: log(1 + Σ) over a row's positives and over its negatives, of all of them or of the pairs that `minePairs` would keep.
import type { MultiSimilarityOp } from '../ops/batch-losses.js';
import { logSumExp, softplus } from './log-sum.js';
import { hasBoth, rowsOf, sidesOf } from './row-sweep.js';

export function multiSimilarityLoss(op: MultiSimilarityOp): number {
  const { n, alpha, beta, base, epsilon, perExample } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns } = rows;
  const share = 1 / Math.max(n, 1);
  // ∂logit/∂s of the pairs at hand: −alpha of a positive, beta of a negative, 0 of one that does not count.
  const slopes = new Float64Array(columns);
  const own = (j: number): boolean => (slopes[j] as number) < 0;
  const others = (j: number): boolean => (slopes[j] as number) > 0;
  let loss = 0;
  rows.sweep((i, s, derivatives) => {
    perExample[i] = 0;
    if (epsilon !== undefined && !hasBoth(rows, i)) return;
    const { positive } = sidesOf(rows, i);
    for (let j = 0; j < columns; j++) slopes[j] = j === i ? 0 : positive(j) ? -alpha : beta;
    if (epsilon !== undefined) {
      let [least, most] = [Infinity, -Infinity];
      for (let j = 0; j < columns; j++) {
        if (own(j)) least = Math.min(least, s[j] as number);
        else if (others(j)) most = Math.max(most, s[j] as number);
      }
      // What is dropped is asked for, not what is kept: a NaN, which compares as false, stays and shows in the loss.
      for (let j = 0; j < columns; j++) {
        const similarity = s[j] as number;
        if (own(j) ? similarity - epsilon >= most : similarity + epsilon <= least) slopes[j] = 0;
      }
    }
    for (let j = 0; j < columns; j++) s[j] = (slopes[j] as number) * ((s[j] as number) - base);
    const [fromPositives, fromNegatives] = [softplus(logSumExp(s, own)), softplus(logSumExp(s, others))];
    // ∂/∂s of log(1 + Σe^z)/α: the slope's own α goes, its sign and e^z/(1 + Σe^z) stay.
    for (let j = 0; j < columns; j++) {
      if (own(j)) derivatives[j] = -share * Math.exp((s[j] as number) - fromPositives);
      else if (others(j)) derivatives[j] = share * Math.exp((s[j] as number) - fromNegatives);
    }
    const value = fromPositives / alpha + fromNegatives / beta;
    perExample[i] = value;
    loss += share * value;
  });
  return rows.finish(loss);
}
