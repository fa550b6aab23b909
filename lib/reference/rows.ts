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
