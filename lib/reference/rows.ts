// Row arithmetic of the reference: float64 sums in index order.
import { shortest, type Values } from '../ops/types.js';

export function dot(a: Values, atA: number, b: Values, atB: number, d: number): number {
  let sum = 0;
  for (let k = 0; k < d; k++) sum += (a[atA + k] as number) * (b[atB + k] as number);
  return sum;
}

/** target += factor · source */
export function addScaled(target: Values, atTarget: number, source: Values, atSource: number, d: number, factor: number): void {
  for (let k = 0; k < d; k++) target[atTarget + k] = (target[atTarget + k] as number) + factor * (source[atSource + k] as number);
}

export function length(x: Values, at: number, d: number): number {
  return Math.sqrt(dot(x, at, x, at, d));
}

/** Norms of the rows and the rows divided by them; a zero row stays zero. */
export function unitRows(x: Values, n: number, d: number): { norms: Float64Array; unit: Float64Array } {
  const norms = new Float64Array(n);
  const unit = new Float64Array(n * d);
  for (let i = 0; i < n; i++) {
    const norm = length(x, i * d, d);
    norms[i] = norm;
    addScaled(unit, i * d, x, i * d, d, 1 / Math.max(norm, shortest));
  }
  return { norms, unit };
}

/**
 * Turns ∂/∂x̂ into ∂/∂x in place: the tangential part over the norm. Below `shortest` the divisor does not move with x, so there is no
 * radial part to take off. At a zero row, which has no direction, the gradient is defined as 0.
 */
export function throughNormalization(grad: Values, at: number, unit: Values, norm: number, d: number): void {
  if (norm === 0) {
    grad.fill(0, at, at + d);
    return;
  }
  const radial = norm > shortest ? dot(grad, at, unit, at, d) : 0;
  const divisor = Math.max(norm, shortest);
  for (let k = 0; k < d; k++) grad[at + k] = ((grad[at + k] as number) - radial * (unit[at + k] as number)) / divisor;
}

/** Rows as a loss compares them, as they are or at unit length, with the gradient that gathers on them. */
export interface ComparedRows {
  readonly rows: Values;
  readonly gradient: Float64Array;
  /** Turns the gathered gradient, in place, into that of the rows as given. */
  toGiven(): Float64Array;
}

export function comparedRows(x: Values, n: number, d: number, unitFirst: boolean): ComparedRows {
  const { norms, unit } = unitRows(x, unitFirst ? n : 0, d);
  const gradient = new Float64Array(n * d);
  return {
    rows: unitFirst ? unit : x,
    gradient,
    toGiven: () => {
      if (unitFirst) for (let i = 0; i < n; i++) throughNormalization(gradient, i * d, unit, norms[i] as number, d);
      return gradient;
    },
  };
}

/** Writes a gradient where it is wanted. That of a loss that is NaN is nothing else. */
export function deliver(loss: number, target: Values | undefined, gradient: () => Float64Array): void {
  if (Number.isNaN(loss)) target?.fill(loss);
  else target?.set(gradient());
}
