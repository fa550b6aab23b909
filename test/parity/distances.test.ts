// The native distances and their gradients against the reference, all metrics, at every level and thread count.
import { describe, expect, it } from 'vitest';
import { distances, distancesGradient, type Matrix, matrix, setThreads } from '../../lib/index.js';
import { type Metric, metrics } from '../../lib/ops/distances.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels } from '../helpers/native.js';
import { expectWithin, roundoff, sumTolerance } from '../helpers/tolerance.js';

const shapes: [n: number, m: number, d: number][] = [
  [1, 1, 1],
  [2, 3, 5],
  [15, 17, 16],
  [16, 16, 3],
  [33, 31, 64],
  [61, 129, 7],
  [5, 67, 257],
];

/** Sums over the coordinates of a pair of rows, in float64. */
function pairSums(x: Matrix, y: Matrix, i: number, j: number) {
  const d = x.shape[1];
  const sums = { xx: 0, yy: 0, xy: 0, difference: 0, squared: 0, meanX: 0, variance: 0, maxX: 0, maxY: 0 };
  for (let k = 0; k < d; k++) {
    const [a, b] = [x.data[i * d + k] as number, y.data[j * d + k] as number];
    sums.xx += a * a;
    sums.yy += b * b;
    sums.xy += Math.abs(a * b);
    sums.difference += Math.abs(a - b);
    sums.squared += (a - b) ** 2;
    sums.meanX += a / d;
    sums.maxX = Math.max(sums.maxX, Math.abs(a));
    sums.maxY = Math.max(sums.maxY, Math.abs(b));
  }
  for (let k = 0; k < d; k++) sums.variance += ((x.data[i * d + k] as number) - sums.meanX) ** 2;
  return sums;
}

/** Rounding of norms and of the expansion ‖x‖² + ‖y‖² − 2xy counts, where a metric may be computed so. */
function tolerance(metric: Metric, x: Matrix, y: Matrix, i: number, j: number, value: number): number {
  const d = x.shape[1];
  const { xx, yy, xy, difference, squared, variance } = pairSums(x, y, i, j);
  const expansion = 2 * sumTolerance(d, xx + yy);
  switch (metric) {
    case 'squaredEuclidean':
      return expansion;
    case 'euclidean':
      return expansion / Math.max(value, Math.sqrt(expansion)) + 2 * roundoff * value;
    case 'manhattan':
      return sumTolerance(d, difference);
    case 'dot':
      return sumTolerance(d, xy);
    case 'cosineSimilarity':
    case 'cosineDistance':
      return sumTolerance(3 * d, 1);
    case 'snr':
      return variance > 0 ? sumTolerance(6 * d, squared / variance + (value * xx) / variance) : 2 ** -126;
  }
}

function expectDistances(x: Matrix, y: Matrix, metric: Metric, self: boolean): void {
  const [n, d] = x.shape;
  const m = y.shape[0];
  const wide = Float64Array.from(x.data);
  const expected = new Float64Array(n * m);
  reference.distances({ x: wide, y: self ? wide : Float64Array.from(y.data), n, m, d, metric, out: expected });
  const got = self ? distances(x, { metric }) : distances(x, y, { metric });
  const limit = (at: number) => tolerance(metric, x, y, Math.floor(at / m), at % m, Math.abs(expected[at] as number));
  expectWithin(got.data, expected, limit, `${metric} of ${n}, ${m}, ${d}${self ? ', self' : ''}`);
}

/** Largest |∂value/∂row| that a pair contributes, as the kernels may compute it. */
function gradientScale(metric: Metric, x: Matrix, y: Matrix, i: number, j: number): number {
  const { xx, yy, squared, variance, maxX, maxY } = pairSums(x, y, i, j);
  switch (metric) {
    case 'squaredEuclidean':
      return 2 * (maxX + maxY);
    case 'euclidean':
      return squared > 0 ? ((maxX + maxY) / Math.sqrt(squared)) * (1 + (xx + yy) / squared) : 0;
    case 'manhattan':
      return 1;
    case 'dot':
      return maxX + maxY;
    case 'cosineSimilarity':
    case 'cosineDistance':
      return 3 / Math.max(Math.sqrt(xx), 1e-12) + 3 / Math.max(Math.sqrt(yy), 1e-12);
    case 'snr':
      return variance > 0 ? (4 * (maxX + maxY) * (1 + squared / variance) * (1 + xx / variance)) / variance : 0;
  }
}

function expectGradients(x: Matrix, y: Matrix, gradOutput: Matrix, metric: Metric): void {
  const [n, d] = x.shape;
  const m = y.shape[0];
  const [gradX, gradY] = [new Float64Array(n * d), new Float64Array(m * d)];
  const wide = { x: Float64Array.from(x.data), y: Float64Array.from(y.data), gradOutput: Float64Array.from(gradOutput.data) };
  reference.distancesGradient({ ...wide, n, m, d, metric, gradX, gradY });
  const [scaleX, scaleY] = [new Float64Array(n), new Float64Array(m)];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const scale = Math.abs(gradOutput.data[i * m + j] as number) * gradientScale(metric, x, y, i, j);
      scaleX[i] = (scaleX[i] as number) + scale;
      scaleY[j] = (scaleY[j] as number) + scale;
    }
  }
  const got = distancesGradient(x, y, gradOutput, { metric });
  const what = `gradient of ${metric}, ${n}, ${m}, ${d}`;
  expectWithin(got.gradX.data, gradX, (at) => sumTolerance(4 * d + m, scaleX[Math.floor(at / d)] as number), `${what}: x`);
  expectWithin(got.gradY.data, gradY, (at) => sumTolerance(4 * d + n, scaleY[Math.floor(at / d)] as number), `${what}: y`);
}

describeLevels('distances against the reference', () => {
  describe.each([1, 2, 3, 8])('%i threads', (threads) => {
    it.each(metrics)('%s', (metric) => {
      setThreads(threads);
      for (const [n, m, d] of shapes) {
        // One coordinate has no variance, so the ratio of variances is 0 / 0 up to rounding: not a value to compare.
        if (metric === 'snr' && d === 1) continue;
        const [x, y] = [normalMatrix(n, d, 1), normalMatrix(m, d, 2)];
        expectDistances(x, y, metric, false);
        expectDistances(x, x, metric, true);
        expectGradients(x, y, normalMatrix(n, m, 3), metric);
      }
    });
  });
  it('near duplicates keep their digits, duplicates are 0', () => {
    const d = 512;
    const x = normalMatrix(6, d, 4);
    x.data.forEach((value, k) => (x.data[k] = 100 + value));
    const y = matrix(
      x.data.map((value, k) => (k < d ? value : value + 1e-3 * ((k % 7) - 3))),
      d,
    );
    for (const metric of ['squaredEuclidean', 'euclidean'] as const) {
      const got = distances(x, y, { metric }).data;
      expect(got[0]).toBe(0);
      const wide = new Float64Array(36);
      reference.distances({ x: x.data, y: y.data, n: 6, m: 6, d, metric, out: wide });
      expectWithin(got, wide, (at) => 1e-4 * (wide[at] as number), metric);
      const self = distances(x, { metric }).data;
      for (let i = 0; i < 6; i++) expect(Object.is(self[i * 6 + i], 0)).toBe(true);
    }
  });
  describe.each(metrics)('%s of special values', (metric) => {
    const rows: Record<string, number[]> = {
      'a NaN': [Number.NaN, 1, 2],
      'an infinity': [Infinity, 1, 2],
      'a negative infinity': [1, -Infinity, 2],
      'both infinities': [Infinity, -Infinity, 2],
      denormals: [1e-40, -2e-40, 3e-41],
      'a norm of 1e19': [6e18, 8e18, 1e3],
      'a norm of 1e30': [6e29, 8e29, 1e30],
      'a zero row': [0, 0, 0],
      'a tiny norm': [1e-20, 2e-20, 0],
    };
    it.each(Object.entries(rows))('%s', (_name, row) => {
      const x = matrix(Float32Array.from([...row, 1, -2, 0.5]), 3);
      const y = matrix(Float32Array.from([0.25, 1, -1, ...row]), 3);
      const expected = new Float32Array(4);
      reference.distances({ x: x.data, y: y.data, n: 2, m: 2, d: 3, metric, out: expected });
      const limit = (at: number) => {
        const value = Math.abs(expected[at] as number);
        return Number.isFinite(value) ? tolerance(metric, x, y, at >> 1, at & 1, value) : 0;
      };
      expectWithin(distances(x, y, { metric }).data, expected, limit, metric);
    });
  });
  it('no rows at all', () => {
    const none = matrix(new Float32Array(0), 3);
    for (const metric of metrics) {
      expect(distances(none, { metric }).shape).toEqual([0, 0]);
      expect(distances(none, normalMatrix(4, 3, 1), { metric }).shape).toEqual([0, 4]);
      expect(distances(normalMatrix(4, 3, 1), none, { metric }).shape).toEqual([4, 0]);
      const { gradX, gradY } = distancesGradient(none, normalMatrix(4, 3, 1), matrix(new Float32Array(0), 4), { metric });
      expect(gradX.shape).toEqual([0, 3]);
      expect(gradY.data).toEqual(new Float32Array(12));
    }
  });
});
