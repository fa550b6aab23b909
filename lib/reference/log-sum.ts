// Sums of exponentials that neither overflow nor lose their last term, and the logistic functions of their ratios.

/** Σ e^z as sum·e^max, so that ratios stay exact where log Σ e^z would have swallowed log(sum). Over nothing: max −∞, sum 0. */
export interface LogSum {
  readonly max: number;
  readonly sum: number;
}

/** Over z(0) … z(n − 1); a z of −∞ is left out. */
export function logSumOf(n: number, z: (j: number) => number): LogSum {
  let max = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < n; j++) max = Math.max(max, z(j));
  let sum = 0;
  if (max > Number.NEGATIVE_INFINITY) for (let j = 0; j < n; j++) sum += Math.exp(z(j) - max);
  return { max, sum: Number.isNaN(max) ? max : sum };
}

/** log of the sum; −∞ over nothing. */
export function logOf({ max, sum }: LogSum): number {
  return max + Math.log(sum);
}

/** log Σ e^{z_j} over the j that `keep` names; −∞ over none. */
export function logSumExp(z: Float64Array, keep: (j: number) => boolean): number {
  return logOf(logSumOf(z.length, (j) => (keep(j) ? (z[j] as number) : Number.NEGATIVE_INFINITY)));
}

/** log(e^a + e^b) */
export function logAddExp(a: number, b: number): number {
  return logOf(logSumOf(2, (j) => (j === 0 ? a : b)));
}

/** log(a/b), b not empty. */
export function logRatio(a: LogSum, b: LogSum): number {
  return a.max - b.max + Math.log(a.sum / b.sum);
}

/** The share of e^z in its sum. */
export function shareOf({ max, sum }: LogSum, z: number): number {
  return Math.exp(z - max) / sum;
}

/** log(1 + e^u) */
export function softplus(u: number): number {
  return Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
}

/** The slope of softplus, 1/(1 + e^{−u}). */
export function sigmoid(u: number): number {
  return 1 / (1 + Math.exp(-u));
}
