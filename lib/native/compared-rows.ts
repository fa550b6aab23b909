// Rows as a loss composed of native ops compares them: as they are or at unit length, times a factor, and the way of their gradient back.
import type { DistanceOps } from '../ops/distances.js';
import type { MarginSoftmaxOp } from '../ops/softmax.js';
import { shortest, type Values } from '../ops/types.js';

export type RowOps = Pick<DistanceOps, 'normalize' | 'normalizeGradient'>;

/** What a cross-entropy of a row's products with all columns is, for an op of native softmax: no margin, the plain mean. */
export const plainSoftmax = {
  margin: { kind: 'softmax' },
  reduction: 'mean',
  labelSmoothing: 0,
  ignoreIndex: -1,
  // What is kept between the passes. More is made again, at a third more arithmetic: at 2048 rows and columns the first of it.
  workspaceBytes: 2 ** 24,
} as const satisfies Partial<MarginSoftmaxOp>;

/** Factors between which no product of unit rows leaves float32's range. */
export function isMild(factor: number): boolean {
  return factor >= 1e-30 && factor <= 1e30;
}

/** The largest of the finite sizes; 0 of none. */
export function largestOf(values: Values): number {
  let most = 0;
  for (let k = 0; k < values.length; k++) {
    const size = Math.abs(values[k] as number);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/** target ← factor · target */
export function scale(target: Values, factor: number): void {
  if (factor !== 1) for (let k = 0; k < target.length; k++) target[k] = (target[k] as number) * factor;
}

/** target ← target + factor · source */
export function addScaled(target: Values, source: Values, factor: number): void {
  for (let k = 0; k < target.length; k++) target[k] = (target[k] as number) + factor * (source[k] as number);
}

/** factor · x, or factor · x̂ with `unitFirst`: memory of its own, or x itself where nothing changes. */
export function compared(ops: RowOps, x: Values, n: number, d: number, unitFirst: boolean, factor = 1): Values {
  if (!unitFirst && factor === 1) return x;
  const rows = new Float32Array(n * d);
  if (unitFirst) ops.normalize({ x, n, d, eps: shortest, out: rows });
  else rows.set(x);
  scale(rows, factor);
  return rows;
}

/** Writes the gradient of x, given that of the rows compared, which it may change. */
export function toGiven(
  ops: RowOps,
  x: Values,
  n: number,
  d: number,
  unitFirst: boolean,
  factor: number,
  gradient: Values,
  gradX: Values,
): void {
  scale(gradient, factor);
  if (unitFirst) ops.normalizeGradient({ x, n, d, eps: shortest, gradOutput: gradient, gradX });
  else gradX.set(gradient);
}

/** That of a loss that is NaN is nothing else. */
export function deliverNaN(loss: number, ...gradients: (Values | undefined)[]): void {
  if (Number.isNaN(loss)) for (const gradient of gradients) gradient?.fill(loss);
}
