// Threshold-consistent margin: positives below one similarity and negatives above another, each kind by its own mean. Two sweeps, as the
// divisors are the numbers of those pairs.
import type { TcmOp } from '../ops/batch-losses.js';
import { rowsOf } from './row-sweep.js';

export function tcmLoss(op: TcmOp): number {
  const { lambdaPlus, lambdaMinus, marginPlus, marginMinus, gradX } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, labels } = rows;
  // At a margin of −1 or 1 on the far side only pairs without an excess and without a direction count, and rounding decides which.
  const kinds = {
    positive: { weight: marginPlus > -1 ? lambdaPlus : 0, side: 1, margin: marginPlus, sum: 0, count: 0 },
    negative: { weight: marginMinus < 1 ? lambdaMinus : 0, side: -1, margin: marginMinus, sum: 0, count: 0 },
  };
  /** Calls `visit` with every pair on the wrong side of its margin, or on it. */
  const eachHard = (visit: (kind: typeof kinds.positive, excess: number, j: number, derivatives: Float64Array) => void): void => {
    rows.sweep((i, s, derivatives) => {
      for (let j = 0; j < columns; j++) {
        if (j === i) continue;
        const kind = labels[j] === labels[i] ? kinds.positive : kinds.negative;
        // Rounding takes a similarity past ±1, which would decide about a margin there.
        const excess = kind.side * (kind.margin - Math.min(Math.max(s[j] as number, -1), 1));
        if (excess >= 0) visit(kind, excess, j, derivatives);
      }
    });
  };
  eachHard((kind, excess) => {
    kind.sum += excess;
    kind.count++;
  });
  if (gradX) {
    eachHard(({ weight, side, count }, _excess, j, derivatives) => {
      derivatives[j] = (-weight * side) / count;
    });
  }
  const termOf = ({ weight, sum, count }: typeof kinds.positive): number => (weight * sum) / Math.max(count, 1);
  return rows.finish(termOf(kinds.positive) + termOf(kinds.negative));
}
