// Triplet loss on given rows, and over the triplets that a mining rule chooses inside a batch.
import type { BatchTripletOp, BatchTripletResult, TripletOp } from '../ops/pairs.js';
import type { Values } from '../ops/types.js';
import { sigmoid, softplus } from './log-sum.js';
import { eachTriplet } from './mining.js';
import { apartMatrix, batchOf } from './pair-distances.js';

export function tripletLoss(op: TripletOp): number {
  const {
    anchor,
    positive,
    negative,
    n,
    d,
    distance,
    margin,
    p,
    eps,
    swap,
    reduction,
    perExample,
    gradAnchor,
    gradPositive,
    gradNegative,
  } = op;
  for (const grad of [gradAnchor, gradPositive, gradNegative]) grad?.fill(0);
  const scale = reduction === 'mean' ? 1 / Math.max(n, 1) : 1;
  const norm = distance === 'squaredEuclidean' ? squaredNorm : (u: Values, v: Values, at: number) => pNorm(u, v, at, d, p, eps);
  function squaredNorm(u: Values, v: Values, at: number): number {
    let sum = 0;
    for (let k = at; k < at + d; k++) sum += ((u[k] as number) - (v[k] as number)) ** 2;
    return sum;
  }
  const wanted = gradAnchor ?? gradPositive ?? gradNegative;
  // One row's gradients in float64, whatever the outputs are.
  const [sumAnchor, sumPositive, sumNegative] = [new Float64Array(d), new Float64Array(d), new Float64Array(d)];
  /** Adds factor·∂d(u, v) to both sides' gradients. */
  const descend = (u: Values, v: Values, at: number, value: number, factor: number, sumU: Float64Array, sumV: Float64Array): void => {
    for (let k = 0; k < d; k++) {
      const diff = (u[at + k] as number) - (v[at + k] as number);
      const slope = factor * (distance === 'squaredEuclidean' ? 2 * diff : pNormSlope(diff + eps, value, p));
      sumU[k] = (sumU[k] as number) + slope;
      sumV[k] = (sumV[k] as number) - slope;
    }
  };
  let total = 0;
  for (let i = 0; i < n; i++) {
    const at = i * d;
    const near = norm(anchor, positive, at);
    const far = norm(anchor, negative, at);
    const across = swap ? norm(positive, negative, at) : Infinity;
    const gap = near - Math.min(far, across) + margin;
    const value = gap <= 0 ? 0 : gap;
    perExample[i] = value;
    total += value;
    if (value === 0 || !wanted) continue;
    for (const sum of [sumAnchor, sumPositive, sumNegative]) sum.fill(Number.isNaN(value) ? value : 0);
    descend(anchor, positive, at, near, scale, sumAnchor, sumPositive);
    if (across < far) descend(positive, negative, at, across, -scale, sumPositive, sumNegative);
    else descend(anchor, negative, at, far, -scale, sumAnchor, sumNegative);
    gradAnchor?.set(sumAnchor, at);
    gradPositive?.set(sumPositive, at);
    gradNegative?.set(sumNegative, at);
  }
  return scale * total;
}

/**
 * ‖u − v + eps‖_p, eps added to every coordinate as PyTorch's `PairwiseDistance` does. The largest term is taken out first: its p-th power
 * alone may be beyond float64, or below it.
 */
function pNorm(u: Values, v: Values, at: number, d: number, p: number, eps: number): number {
  const term = (k: number): number => Math.abs((u[k] as number) - (v[k] as number) + eps);
  let largest = 0;
  for (let k = at; k < at + d; k++) largest = Math.max(largest, term(k));
  if (largest === 0 || !Number.isFinite(largest)) return largest;
  let sum = 0;
  for (let k = at; k < at + d; k++) sum += (term(k) / largest) ** p;
  return largest * (p === 2 ? Math.sqrt(sum) : sum ** (1 / p));
}

function pNormSlope(diff: number, norm: number, p: number): number {
  return norm > 0 && diff !== 0 ? Math.sign(diff) * (Math.abs(diff) / norm) ** (p - 1) : 0;
}

/**
 * Streams the chosen triplets twice: once for the loss and the count, once for the gradient. Never more than the distances of the anchors to all
 * columns is held; with `swap`, which compares positives with negatives, those of every column.
 */
export function batchTripletLoss(op: BatchTripletOp): BatchTripletResult {
  const { n, margin, seed, mining, reduction, swap, soft, gradX } = op;
  const batch = batchOf(op);
  const { columns, labels } = batch;
  // A row alone takes part in nothing, whatever it holds, and without a batch nothing of a memory does.
  if (n === 0 || columns < 2) {
    gradX?.fill(0);
    return { loss: 0, numTriplets: 0, numActive: 0 };
  }
  const rows = swap ? columns : n;
  const apart = apartMatrix(batch, rows);
  const mined = { first: 0, n, columns, labels, apart, margin, seed, d: op.d };
  const gapOf = (a: number, p: number, k: number): number => {
    const far = apart[a * columns + k] as number;
    const across = apart[p * columns + k] as number;
    return (apart[a * columns + p] as number) - (swap && across < far ? across : far) + margin;
  };
  let [sum, numTriplets, numActive] = [0, 0, 0];
  eachTriplet(mining, mined, (a, p, k) => {
    const gap = gapOf(a, p, k);
    const value = soft ? softplus(gap) : gap <= 0 ? 0 : gap;
    sum += value;
    numTriplets++;
    if (value > 0) numActive++;
  });
  // What is NaN was never chosen, but it could have been: a loss of 0 would look like convergence.
  if (batch.anyInfinite || Number.isNaN(sum) || apart.some(Number.isNaN)) {
    gradX?.fill(Number.NaN);
    return { loss: Number.NaN, numTriplets, numActive };
  }
  const count = { sum: 1, mean: numTriplets, meanPositive: numActive }[reduction];
  const scale = 1 / Math.max(count, 1);
  if (gradX) {
    // Coefficients per ordered pair first: n² of them, where triplets may be n³.
    const coefficients = new Float64Array(rows * columns);
    const add = (i: number, j: number, g: number): void => {
      coefficients[i * columns + j] = (coefficients[i * columns + j] as number) + g;
    };
    eachTriplet(mining, mined, (a, p, k) => {
      const gap = gapOf(a, p, k);
      const g = scale * (soft ? sigmoid(gap) : gap > 0 ? 1 : 0);
      if (g === 0) return;
      add(a, p, g);
      const crossed = swap && (apart[p * columns + k] as number) < (apart[a * columns + k] as number);
      add(crossed ? p : a, k, -g);
    });
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) batch.addGradient(coefficients[i * columns + j] as number, i, j);
    batch.writeGradient(gradX);
  }
  return { loss: scale * sum, numTriplets, numActive };
}
