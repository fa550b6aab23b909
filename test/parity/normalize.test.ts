// The native normalisation and its gradient against the reference at every level and thread count.
import { it } from 'vitest';
import { type Matrix, matrix, normalize, normalizeGradient, setThreads } from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels } from '../helpers/native.js';
import { expectWithin, sumTolerance } from '../helpers/tolerance.js';

function expectBoth(x: Matrix, eps: number, what: string): void {
  const [n, d] = x.shape;
  const g = normalMatrix(n, d, 9);
  const [out, gradX] = [new Float64Array(n * d), new Float64Array(n * d)];
  const wide = Float64Array.from(x.data);
  reference.normalize({ x: wide, n, d, eps, out });
  reference.normalizeGradient({ x: wide, n, d, eps, gradOutput: Float64Array.from(g.data), gradX });
  expectWithin(normalize(x, { eps }).data, out, (at) => sumTolerance(d, Math.abs(out[at] as number)), `${what}: rows`);
  // What the gradient is the difference of: the upstream gradient and its radial part, over the length.
  const scale = Array.from({ length: n }, (_, i) => {
    const row = x.data.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...row);
    const radial = norm > eps ? row.reduce((sum, value, k) => sum + Math.abs((value / norm) * (g.data[i * d + k] as number)), 0) : 0;
    return (at: number) =>
      (Math.abs(g.data[at] as number) + radial * Math.abs((row[at - i * d] as number) / (norm || 1))) / Math.max(norm, eps);
  });
  const limit = (at: number) => sumTolerance(2 * d, scale[Math.floor(at / d)]?.(at) as number);
  expectWithin(normalizeGradient(x, g, { eps }).data, gradX, limit, `${what}: gradient`);
}

describeLevels('normalize against the reference', () => {
  it.each([1, 15, 16, 17, 257])('%i rows of any width', (n) => {
    for (const d of [1, 3, 16, 17, 127, 128]) expectBoth(normalMatrix(n, d, 1), 1e-12, `${n}, ${d}`);
  });
  it.each([1, 2, 3, 8])('large enough for %i threads', (threads) => {
    setThreads(threads);
    expectBoth(normalMatrix(700, 400, 2), 1e-12, 'large');
  });
  it.each([1e-40, 1e-30, 1e-20, 1e-13, 1e-6, 1e10, 1e19, 1e30, 3e37])('rows of size %f', (size) => {
    const x = normalMatrix(9, 33, 3, size);
    x.data.fill(0, 33, 66);
    for (const eps of [1e-12, 1e-25, 3]) expectBoth(x, eps, `${size}, eps ${eps}`);
  });
  it.each([Number.NaN, Infinity, -Infinity, -0])('a row with %f', (special) => {
    const x = normalMatrix(3, 5, 4);
    x.data[6] = special;
    expectBoth(x, 1e-12, `${special}`);
  });
  it('no rows at all', () => expectBoth(matrix(new Float32Array(0), 3), 1e-12, 'none'));
});
