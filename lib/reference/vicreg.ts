// VICReg: distance of two views, and for each view its deviations and covariances. The D × D covariances are made one row at a time: their
// memory is O(D), beside the centered columns and one gradient.
import type { VicRegOp } from '../ops/batch-losses.js';
import type { Values } from '../ops/types.js';

export function vicRegLoss(op: VicRegOp): number {
  const { x, y, n, d, lambda, gradX, gradY } = op;
  const share = lambda / Math.max(n * d, 1);
  let loss = 0;
  for (let k = 0; k < n * d; k++) loss += share * ((x[k] as number) - (y[k] as number)) ** 2;
  for (const [own, other, grad] of [
    [x, y, gradX],
    [y, x, gradY],
  ] as const) {
    const sums = grad && Float64Array.from(own, (value, k) => 2 * share * (value - (other[k] as number)));
    loss += spread(op, own, sums);
    if (sums) grad.set(sums);
  }
  if (Number.isNaN(loss)) for (const grad of [gradX, gradY]) grad?.fill(loss);
  return loss;
}

/** mu·½·mean_d [1 − √(Var_d + eps)]₊ + nu·(1/D) Σ_{d≠e} Cov_de² of one view; its gradient is added to `sums`. */
function spread({ n, d, mu, nu, eps }: VicRegOp, view: Values, sums: Float64Array | undefined): number {
  // One row has neither variance nor covariance.
  if (n < 2) return 0;
  const centered = centeredColumns(view, n, d);
  const covariances = new Float64Array(d);
  let loss = 0;
  for (let a = 0; a < d; a++) {
    covariances.fill(0);
    for (let i = 0; i < n; i++) {
      const factor = (centered[i * d + a] as number) / (n - 1);
      for (let b = 0; b < d; b++) covariances[b] = (covariances[b] as number) + factor * (centered[i * d + b] as number);
    }
    const deviation = Math.sqrt((covariances[a] as number) + eps);
    const missing = deviation < 1 ? 1 - deviation : 0;
    covariances[a] = 0;
    loss += ((mu / 2) * missing + nu * covariances.reduce((sum, c) => sum + c * c, 0)) / d;
    if (!sums) continue;
    // At a deviation of 0 all of the column is at its mean, and no direction widens it more than its opposite does.
    const widen = missing > 0 && deviation > 0 ? mu / (2 * deviation) : 0;
    const scale = 1 / (d * (n - 1));
    for (let i = 0; i < n; i++) {
      let g = -widen * (centered[i * d + a] as number);
      for (let b = 0; b < d; b++) g += 4 * nu * (covariances[b] as number) * (centered[i * d + b] as number);
      sums[i * d + a] = (sums[i * d + a] as number) + scale * g;
    }
  }
  return loss;
}

function centeredColumns(view: Values, n: number, d: number): Float64Array {
  const centered = Float64Array.from(view);
  for (let k = 0; k < d; k++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += (view[i * d + k] as number) / n;
    for (let i = 0; i < n; i++) centered[i * d + k] = (centered[i * d + k] as number) - mean;
  }
  return centered;
}
