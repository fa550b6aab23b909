import { expect } from 'vitest';

export type Inputs = Record<string, Float64Array>;

/**
 * Central differences in float64 against the analytic gradient, entry by entry. The tolerance is the method's own error:
 * truncation h²·f''' (h² relative to the largest gradient, with room for curvature) and rounding ε·|f|/h.
 */
export function expectGradient(inputs: Inputs, run: (inputs: Inputs, grads: Inputs) => number): void {
  const scratch = (): Inputs =>
    Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, new Float64Array(v.length).fill(Number.NaN)]));
  const analytic = scratch();
  const loss = run(inputs, analytic);
  expect(Number.isFinite(loss)).toBe(true);
  for (const [name, values] of Object.entries(inputs)) {
    const grad = analytic[name] as Float64Array;
    const scale = grad.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
    expect(scale, `${name} has a gradient to check`).toBeGreaterThan(0);
    for (let k = 0; k < values.length; k++) {
      const x = values[k] as number;
      const h = 1e-5 * Math.max(1, Math.abs(x));
      values[k] = x + h;
      const above = run(inputs, scratch());
      values[k] = x - h;
      const below = run(inputs, scratch());
      values[k] = x;
      const numeric = (above - below) / (2 * h);
      const tolerance = 2e-6 * scale + (16 * Number.EPSILON * Math.max(1, Math.abs(loss))) / h;
      expect(Math.abs((grad[k] as number) - numeric), `d${name}[${k}]: ${grad[k]} against ${numeric}`).toBeLessThanOrEqual(tolerance);
    }
  }
}

export function weighted(out: Float64Array, weights: Float64Array): number {
  return out.reduce((sum, value, i) => sum + value * (weights[i] as number), 0);
}
