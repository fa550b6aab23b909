import { describe, expect, it } from 'vitest';
import { cosFace } from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import { distances, distancesGradient } from '../../lib/reference/distances.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { normalize, normalizeGradient } from '../../lib/reference/normalize.js';
import { supConLoss } from '../../lib/reference/supcon.js';
import { normals } from '../helpers/data.js';
import { expectGradient, weighted } from '../helpers/gradcheck.js';

const [n, m, d] = [4, 3, 5];

describe.each(metrics)('distances %s', (metric) => {
  it('has the gradient of both sides', () => {
    const gradOutput = normals(n * m, 1);
    expectGradient({ x: normals(n * d, 2), y: normals(m * d, 3) }, (v, g) => {
      const op = { x: v.x as Float64Array, y: v.y as Float64Array, n, m, d, metric };
      const out = new Float64Array(n * m);
      distances({ ...op, out });
      distancesGradient({ ...op, gradOutput, gradX: g.x as Float64Array, gradY: g.y as Float64Array });
      return weighted(out, gradOutput);
    });
  });
});

describe('rows shorter than 1e-12, where the divisor is a constant', () => {
  const short: [name: string, values: number[], step: number][] = [
    ['of half that length', [0.5e-12, 0.2e-12], 1e-15],
    ['of 1e-30', [1e-30, -2e-30], 1e-33],
  ];
  const other = Float64Array.of(0.3, 1);
  it.each(short)('distances, pair losses and margins at rows %s', (_name, values, step) => {
    const x = Float64Array.from(values);
    const cosine = (v: Float64Array, gradX: Float64Array, gradY: Float64Array, swapped: boolean): number => {
      const sides = swapped ? { x: other, y: v } : { x: v, y: other };
      const op = { ...sides, n: 1, m: 1, d: 2, metric: 'cosineSimilarity' as const };
      const out = new Float64Array(1);
      distances({ ...op, out });
      distancesGradient({ ...op, gradOutput: Float64Array.of(1), gradX: swapped ? gradY : gradX, gradY: swapped ? gradX : gradY });
      return out[0] as number;
    };
    const shape = { n: 1, d: 2, classes: 2, workspaceBytes: 1 };
    const head = { ...shape, labels: Int32Array.of(0), reduction: 'mean' as const, labelSmoothing: 0, ignoreIndex: -1 };
    const margin = cosFace({ s: 4, m: 0.1 });
    const runs: ((v: Float64Array, gradX: Float64Array) => number)[] = [
      (v, gradX) => cosine(v, gradX, new Float64Array(2), false),
      (v, gradX) => cosine(v, gradX, new Float64Array(2), true),
      (v, gradX) =>
        marginSoftmax({ ...head, margin, x: v, weights: Float64Array.of(0.6, -1, 2, 1), perExample: new Float64Array(1), gradX }).loss,
      (v, gradX) => {
        const gradAll = new Float64Array(6);
        const rows = Float64Array.of(...v, 1, 0.4, -0.5, 1);
        const labels = Int32Array.of(3, 3, 4);
        const loss = supConLoss({ x: rows, labels, n: 3, d: 2, temperature: 1, perExample: new Float64Array(3), gradX: gradAll });
        gradX.set(gradAll.subarray(0, 2));
        return loss;
      },
    ];
    for (const run of runs) {
      const grad = new Float64Array(2);
      run(x, grad);
      const scale = Math.max(...grad.map(Math.abs));
      expect(scale).toBeGreaterThan(1e10);
      for (let k = 0; k < 2; k++) {
        const at = (h: number): number => {
          const moved = Float64Array.from(x);
          moved[k] = (moved[k] as number) + h;
          return run(moved, new Float64Array(2));
        };
        // These functions are smooth at the scale of 1e-12, so a step of a thousandth of that, or of its share, is short.
        const h = Math.max(step, 1e-17);
        const numeric = (at(h) - at(-h)) / (2 * h);
        expect(Math.abs((grad[k] as number) - numeric)).toBeLessThanOrEqual(1e-5 * scale + (8 * Number.EPSILON) / h);
      }
    }
  });
  it('the gradient at a zero row stays 0', () => {
    const grads = [new Float64Array(2), new Float64Array(2)] as const;
    const op = { x: new Float64Array(2), y: other, n: 1, m: 1, d: 2, metric: 'cosineDistance' as const };
    distancesGradient({ ...op, gradOutput: Float64Array.of(1), gradX: grads[0], gradY: grads[1] });
    expect(grads[0]).toEqual(new Float64Array(2));
  });
});

it('normalize', () => {
  const gradOutput = normals(n * d, 4);
  expectGradient({ x: normals(n * d, 5) }, (v, g) => {
    const op = { x: v.x as Float64Array, n, d, eps: 1e-12 };
    const out = new Float64Array(n * d);
    normalize({ ...op, out });
    normalizeGradient({ ...op, gradOutput, gradX: g.x as Float64Array });
    return weighted(out, gradOutput);
  });
});
