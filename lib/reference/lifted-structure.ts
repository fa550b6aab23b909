// Lifted structure, in the form of its paper and in the generalised one.
import type { LiftedStructureOp } from '../ops/batch-losses.js';
import { logAddExp, logSumExp, sigmoid } from './log-sum.js';
import { countPairs, rowsOf, sidesOf } from './row-sweep.js';

export function liftedStructureLoss(op: LiftedStructureOp): number {
  return op.generalized ? generalized(op) : ofPairs(op);
}

/**
 * ½[log(Σ_{N(i)} e^{m − d_ik} + Σ_{N(j)} e^{m − d_jk}) + d_ij − pos]₊² over positive pairs. Three sweeps: the sums of the rows come first; what the pairs
 * want of each is added up before it is shared among its negatives, so that the pairs cost no walk over negatives of their own.
 */
function ofPairs(op: LiftedStructureOp): number {
  const { negMargin, posMargin, normalize, gradX } = op;
  const rows = rowsOf(op, 'euclidean', normalize);
  const { columns } = rows;
  const share = 1 / Math.max(countPairs(rows).positive, 1);
  // A row of the memory is no anchor: it brings no negatives of its own to its pairs.
  const [sums, wanted] = [new Float64Array(columns).fill(-Infinity), new Float64Array(columns)];
  rows.sweep((i, d) => {
    for (let j = 0; j < columns; j++) d[j] = negMargin - (d[j] as number);
    sums[i] = logSumExp(d, sidesOf(rows, i).negative);
  });
  let loss = 0;
  rows.sweep((i, d, derivatives) => {
    const { positive } = sidesOf(rows, i);
    for (let j = 0; j < columns; j++) {
      if (!positive(j)) continue;
      const [fromI, fromJ] = [sums[i] as number, sums[j] as number];
      const excess = Math.max(0, logAddExp(fromI, fromJ) + (d[j] as number) - posMargin);
      loss += (share * excess * excess) / 2;
      // A batch of one class has an excess of 0, and the difference of its empty sums is not a number.
      if (excess === 0) continue;
      derivatives[j] = share * excess;
      wanted[i] = (wanted[i] as number) + share * excess * sigmoid(fromI - fromJ);
      wanted[j] = (wanted[j] as number) + share * excess * sigmoid(fromJ - fromI);
    }
  });
  if (gradX) {
    rows.sweep((i, d, derivatives) => {
      if (wanted[i] === 0) return;
      const { negative } = sidesOf(rows, i);
      for (let j = 0; j < columns; j++) {
        if (negative(j)) derivatives[j] = -(wanted[i] as number) * Math.exp(negMargin - (d[j] as number) - (sums[i] as number));
      }
    });
  }
  return rows.finish(loss);
}

/** [lse_P(d − pos) + lse_N(m − d)]₊ of each row, an empty sum's logarithm taken as 0. */
function generalized(op: LiftedStructureOp): number {
  const { n, negMargin, posMargin, normalize } = op;
  const rows = rowsOf(op, 'euclidean', normalize);
  const { columns, positives } = rows;
  const share = 1 / Math.max(n, 1);
  let loss = 0;
  rows.sweep((i, z, derivatives) => {
    const { positive, negative } = sidesOf(rows, i);
    for (let j = 0; j < columns; j++) z[j] = positive(j) ? (z[j] as number) - posMargin : negMargin - (z[j] as number);
    const count = positives[i] as number;
    const own = count > 0 ? logSumExp(z, positive) : 0;
    const others = count < columns - 1 ? logSumExp(z, negative) : 0;
    const value = Math.max(0, own + others);
    loss += share * value;
    if (value === 0) return;
    for (let j = 0; j < columns; j++) {
      if (positive(j)) derivatives[j] = share * Math.exp((z[j] as number) - own);
      else if (j !== i) derivatives[j] = -share * Math.exp((z[j] as number) - others);
    }
  });
  return rows.finish(loss);
}
