// Rows over their length, and the gradient through that division.
import type { NormalizeGradientOp, NormalizeOp } from '../ops/distances.js';
import { dot, length } from './rows.js';

export function normalize({ x, n, d, eps, out }: NormalizeOp): void {
  for (let i = 0; i < n; i++) {
    const norm = Math.max(length(x, i * d, d), eps);
    for (let k = i * d; k < (i + 1) * d; k++) out[k] = (x[k] as number) / norm;
  }
}

/** Below eps the divisor is a constant, so only the plain part remains; at an exact zero row the gradient is defined as 0. */
export function normalizeGradient({ x, n, d, eps, gradOutput, gradX }: NormalizeGradientOp): void {
  for (let i = 0; i < n; i++) {
    const at = i * d;
    const norm = length(x, at, d);
    const radial = norm > eps ? dot(x, at, gradOutput, at, d) / norm : 0;
    for (let k = at; k < at + d; k++) {
      const tangential = (gradOutput[k] as number) - (norm > 0 ? radial * ((x[k] as number) / norm) : 0);
      gradX[k] = norm > 0 ? tangential / Math.max(norm, eps) : 0;
    }
  }
}
