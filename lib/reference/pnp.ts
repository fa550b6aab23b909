// PNP: a function of the soft number of negatives that come before each positive of a query.
import type { PnpOp } from '../ops/batch-losses.js';
import { sigmoid } from './log-sum.js';
import { anchorShare, rowsOf } from './row-sweep.js';

// Beyond it the sigmoid is a constant, 2e-22 or 1.
const limit = 50;

export function pnpLoss(op: PnpOp): number {
  const { anneal, perExample } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, labels, positives } = rows;
  const share = anchorShare(rows);
  const penalty = penaltyOf(op);
  let loss = 0;
  rows.sweep((i, s, derivatives) => {
    perExample[i] = 0;
    if (positives[i] === 0) return;
    const add = (j: number, g: number): void => {
      derivatives[j] = (derivatives[j] as number) + g;
    };
    // The query is one of its own positives: it comes first.
    const members = (positives[i] as number) + 1;
    let total = 0;
    for (let j = 0; j < columns; j++) {
      if (labels[j] !== labels[i]) continue;
      const z = (k: number): number => ((s[k] as number) - (s[j] as number)) / anneal;
      let before = 0;
      for (let k = 0; k < columns; k++) if (labels[k] !== labels[i]) before += sigmoid(Math.max(-limit, Math.min(limit, z(k))));
      const { value, slope } = penalty(before);
      total += value / members;
      for (let k = 0; k < columns; k++) {
        if (labels[k] === labels[i] || Math.abs(z(k)) > limit) continue;
        const p = sigmoid(z(k));
        const g = (share * slope * p * (1 - p)) / (members * anneal);
        add(k, g);
        add(j, -g);
      }
    }
    perExample[i] = total;
    loss += share * total;
  });
  return rows.finish(loss);
}

/** f(R) and f′(R) by variant; `Dq` as 1 − (1 + R)^(−α), so that all are 0 without a negative before. */
function penaltyOf({ variant, b, alpha }: PnpOp): (before: number) => { value: number; slope: number } {
  switch (variant) {
    case 'O':
      return (r) => ({ value: r, slope: 1 });
    case 'Ds':
      return (r) => ({ value: Math.log1p(r), slope: 1 / (1 + r) });
    case 'Dq':
      return (r) => ({ value: -Math.expm1(-alpha * Math.log1p(r)), slope: alpha * (1 + r) ** (-alpha - 1) });
    case 'Iu':
      return (r) => ({ value: (1 + r) * Math.log1p(r), slope: 1 + Math.log1p(r) });
    case 'Ib':
      return (r) => ({ value: (b * r - Math.log1p(b * r)) / (b * b), slope: r / (1 + b * r) });
  }
}
