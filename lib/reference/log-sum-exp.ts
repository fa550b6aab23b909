// Logarithms of sums of exponentials without over- or underflow. The logarithm of an empty sum is −∞; a NaN among the terms stays one.

/** log Σ e^{z_j} over the j that `keep` names. */
export function logSumExp(z: Float64Array, keep: (j: number) => boolean): number {
  let max = -Infinity;
  for (let j = 0; j < z.length; j++) if (keep(j)) max = Math.max(max, z[j] as number);
  if (!Number.isFinite(max)) return max;
  let sum = 0;
  for (let j = 0; j < z.length; j++) if (keep(j)) sum += Math.exp((z[j] as number) - max);
  return max + Math.log(sum);
}

/** log(e^a + e^b) */
export function logAddExp(a: number, b: number): number {
  const max = Math.max(a, b);
  return Number.isFinite(max) ? max + Math.log1p(Math.exp(-Math.abs(a - b))) : max;
}

/** log(1 + e^u) */
export function softplus(u: number): number {
  return Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
}

/** The slope of softplus, 1/(1 + e^{−u}). */
export function logistic(u: number): number {
  return 1 / (1 + Math.exp(-u));
}
