// Margin loss over all triplets without visiting them: a pair's term occurs once for every row that completes its triplet. Two sweeps, as
// the divisor is the number of active terms.
import type { MarginLossOp } from '../ops/batch-losses.js';
import { rowsOf } from './row-sweep.js';

export function marginLoss(op: MarginLossOp): number {
  const { margin, nu, normalize, beta, gradX, gradBeta } = op;
  const rows = rowsOf(op, 'euclidean', normalize);
  const { columns, labels, positives } = rows;
  const slotOf = (i: number): number => (beta.length === 1 ? 0 : (labels[i] as number));
  /** Calls `visit` with the active terms: [d − β + margin]₊ of positive pairs, [β − d + margin]₊ of negative ones; NaN counts as active. */
  const eachActive = (
    visit: (term: number, times: number, sign: 1 | -1, i: number, j: number, derivatives: Float64Array) => void,
  ): void => {
    rows.sweep((i, d, derivatives) => {
      const own = positives[i] as number;
      const others = columns - 1 - own;
      const boundary = beta[slotOf(i)] as number;
      for (let j = 0; j < columns; j++) {
        if (j === i) continue;
        const sign = labels[j] === labels[i] ? 1 : -1;
        const times = sign === 1 ? others : own;
        const term = sign * ((d[j] as number) - boundary) + margin;
        if (times > 0 && !(term <= 0)) visit(term, times, sign, i, j, derivatives);
      }
    });
  };
  let [sum, active] = [0, 0];
  eachActive((term, times) => {
    sum += times * term;
    active += times;
  });
  const share = 1 / Math.max(active, 1);
  const anyTriplet = positives.some((own) => own > 0 && own < columns - 1);
  const loss = share * sum + (anyTriplet && nu > 0 ? nu * (beta[0] as number) : 0);
  const sums = new Float64Array(beta.length);
  if (anyTriplet && nu > 0) sums[0] = nu;
  if (gradX || gradBeta) {
    eachActive((_term, times, sign, i, j, derivatives) => {
      derivatives[j] = sign * times * share;
      sums[slotOf(i)] = (sums[slotOf(i)] as number) - sign * times * share;
    });
  }
  const result = rows.finish(loss);
  if (Number.isNaN(result)) gradBeta?.fill(result);
  else gradBeta?.set(sums);
  return result;
}
