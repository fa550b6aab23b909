// Neighbourhood components analysis: the log of the odds that a row picks a neighbour of its own class.
import type { NcaOp } from '../ops/batch-losses.js';
import { logRatio, logSumOf, shareOf, sigmoid, softplus } from './log-sum.js';
import { anchorShare, rowsOf } from './row-sweep.js';

/** −log(Σ_P e^z / Σ_{k≠i} e^z) = log(1 + Σ_N e^z / Σ_P e^z): nothing is taken from itself where the own class fills the sum. */
export function ncaLoss(op: NcaOp): number {
  const { scale, normalize, perExample } = op;
  const rows = rowsOf(op, 'squaredEuclidean', normalize);
  const { columns, labels, positives } = rows;
  const share = anchorShare(rows);
  let loss = 0;
  rows.sweep((i, squared, derivatives) => {
    perExample[i] = 0;
    if (positives[i] === 0) return;
    const z = (j: number): number => -scale * (squared[j] as number);
    const own = logSumOf(columns, (j) => (j !== i && labels[j] === labels[i] ? z(j) : -Infinity));
    const others = logSumOf(columns, (j) => (labels[j] !== labels[i] ? z(j) : -Infinity));
    const odds = logRatio(others, own);
    perExample[i] = softplus(odds);
    loss += share * softplus(odds);
    // ∂softplus/∂z is ± the odds' probability, shared as the sums are; z falls with the distance.
    const pull = share * scale * sigmoid(odds);
    if (pull === 0) return;
    for (let j = 0; j < columns; j++) {
      if (j !== i) derivatives[j] = labels[j] === labels[i] ? pull * shareOf(own, z(j)) : -pull * shareOf(others, z(j));
    }
  });
  return rows.finish(loss);
}
