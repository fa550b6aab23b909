// Ranked list loss: weighted means of the violations on either side of a row's boundary; the gradient goes through the weights too.
import type { RankedListOp } from '../ops/batch-losses.js';
import { rowsOf } from './row-sweep.js';

/** Keeps the divisor of a side from 0, once for every row that the anchor is compared with, itself included. */
const guard = 1e-5;

export function rankedListLoss(op: RankedListOp): number {
  const { n, margin, alpha, imbalance, tPos, tNeg, perExample } = op;
  const rows = rowsOf(op, 'euclidean');
  const { columns, labels } = rows;
  const share = 1 / Math.max(n, 1);
  let loss = 0;
  rows.sweep((i, d, derivatives) => {
    /** (1 − imbalance)·L⁺ or imbalance·L⁻; a violation is sign·(d − bound), where positive. */
    const side = (own: boolean, weight: number, temperature: number, sign: 1 | -1, bound: number): number => {
      const violation = (j: number): number =>
        j === i || (labels[j] === labels[i]) !== own ? 0 : Math.max(0, sign * ((d[j] as number) - bound));
      let most = 0;
      for (let j = 0; j < columns; j++) most = Math.max(most, violation(j));
      // e^{T·g} against the largest of them: T is any number, and e^{T·g} may be beyond float64.
      const power = (g: number): number => Math.exp(temperature * (g - most));
      let [weights, sum] = [guard * columns * Math.exp(-temperature * most), 0];
      for (let j = 0; j < columns; j++) {
        const g = violation(j);
        if (!(g > 0)) continue;
        weights += power(g);
        sum += power(g) * g;
      }
      if (sum === 0) return 0;
      const mean = sum / weights;
      for (let j = 0; j < columns; j++) {
        const g = violation(j);
        if (g > 0) derivatives[j] = (share * weight * sign * power(g) * (1 + temperature * (g - mean))) / weights;
      }
      return weight * mean;
    };
    const value = side(true, 1 - imbalance, tPos, 1, alpha - margin) + side(false, imbalance, tNeg, -1, alpha);
    perExample[i] = value;
    loss += share * value;
  });
  return rows.finish(loss);
}
