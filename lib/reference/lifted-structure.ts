// Lifted structure, in the form of its paper and in the generalised one.
import type { LiftedStructureOp } from '../ops/pairs.js';
import { logAddExp, logistic, logSumExp } from './log-sum-exp.js';
import { batchOf } from './pair-distances.js';
import { sidesOf, sumOfRows } from './pair-rows.js';

export function liftedStructureLoss(op: LiftedStructureOp): number {
  return op.generalized ? generalized(op) : ofPairs(op);
}

/**
 * ½[log(Σ_{N(i)} e^{m − d_ik} + Σ_{N(j)} e^{m − d_jk}) + d_ij − pos]₊² over positive pairs. The sums of the rows come first; what the pairs want of each
 * is added up before it is shared among its negatives, so that the pairs cost no walk over negatives of their own.
 */
function ofPairs({ negMargin, posMargin, ...op }: LiftedStructureOp): number {
  const { labels, n, gradX } = op;
  const batch = batchOf({ ...op, distance: 'euclidean' });
  const sides = sidesOf(labels);
  const scale = 1 / Math.max(sides.positivePairs, 1);
  const [z, sums, wanted] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  const fill = (i: number): void => {
    for (let j = 0; j < n; j++) z[j] = i === j ? Number.NaN : negMargin - batch.apart(i, j);
  };
  for (let i = 0; i < n; i++) {
    fill(i);
    sums[i] = logSumExp(z, sides.isNegative(i));
  }
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const positive = sides.isPositive(i);
    for (let j = 0; j < n; j++) {
      if (!positive(j)) continue;
      const [fromI, fromJ] = [sums[i] as number, sums[j] as number];
      const excess = Math.max(0, logAddExp(fromI, fromJ) + batch.apart(i, j) - posMargin);
      loss += (scale * excess * excess) / 2;
      if (excess === 0 || !gradX) continue;
      batch.addGradient(scale * excess, i, j);
      wanted[i] = (wanted[i] as number) + scale * excess * logistic(fromI - fromJ);
      wanted[j] = (wanted[j] as number) + scale * excess * logistic(fromJ - fromI);
    }
  }
  if (Number.isNaN(loss)) gradX?.fill(loss);
  if (Number.isNaN(loss) || !gradX) return loss;
  for (let i = 0; i < n; i++) {
    if (wanted[i] === 0) continue;
    fill(i);
    const negative = sides.isNegative(i);
    for (let j = 0; j < n; j++) {
      if (negative(j)) batch.addGradient(-(wanted[i] as number) * Math.exp((z[j] as number) - (sums[i] as number)), i, j);
    }
  }
  batch.writeGradient(gradX);
  return loss;
}

/** [lse_P(d − pos) + lse_N(m − d)]₊ of each row, an empty sum's logarithm taken as 0. */
function generalized({ negMargin, posMargin, ...op }: LiftedStructureOp): number {
  const { labels, n } = op;
  const sides = sidesOf(labels);
  const scale = 1 / Math.max(n, 1);
  return sumOfRows({ ...op, distance: 'euclidean' }, (i, z, g) => {
    const [positive, negative] = [sides.isPositive(i), sides.isNegative(i)];
    for (let j = 0; j < n; j++) z[j] = positive(j) ? (z[j] as number) - posMargin : negMargin - (z[j] as number);
    const size = sides.classSize[i] as number;
    const own = size > 1 ? logSumExp(z, positive) : 0;
    const others = size < n ? logSumExp(z, negative) : 0;
    const value = Math.max(0, own + others);
    if (value > 0) {
      for (let j = 0; j < n; j++) {
        if (positive(j)) g[j] = scale * Math.exp((z[j] as number) - own);
        else if (j !== i) g[j] = -scale * Math.exp((z[j] as number) - others);
      }
    }
    return scale * value;
  });
}
