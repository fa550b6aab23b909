// Rows at the edges of float32 and of the kernels' fast forms, natively against the reference: unequal and tiny norms, opposite
// long rows, means that dwarf the spread, and what counts as the same rows.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alloc, distances, HypersphereError, type Matrix, matrix, setBackend, setIsa } from '../../lib/index.js';
import { type Metric, metrics } from '../../lib/ops/distances.js';
import * as promises from '../../lib/promises.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative, levels } from '../helpers/native.js';

const unit = 2 ** -24;
const row = (...values: number[]): Matrix => matrix(Float32Array.from(values), values.length);
const scaled = (x: Matrix, factor: number): Matrix => ({ ...x, data: x.data.map((value) => value * factor) });

function both(x: Matrix, y: Matrix, metric: Metric): [native: number, reference: number] {
  const native = distances(x, y, { metric }).data[0] as number;
  setBackend('ts');
  const reference = distances(x, y, { metric }).data[0] as number;
  setBackend('native');
  return [native, reference];
}

describeNative('extremes', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => setBackend('ts'));

  it.each(levels)('%s: cosine distance of parallel rows, whatever the ratio of their norms', (isa) => {
    setIsa(isa);
    for (const d of [1, 2, 16, 128, 513]) {
      const x = normalMatrix(1, d, d);
      for (const [base, ratio] of [1, 1e-12, 1e12].flatMap((b) => [1, 1.9, 2.1, 10, 1e4, 1e6, 1e8, 1e10].map((r) => [b, r] as const))) {
        const [a, b] = [scaled(x, base), scaled(x, base / ratio)];
        const [native, reference] = both(a, b, 'cosineDistance');
        // Rows of float32 in equal directions differ by their own rounding; the fast form sums d terms.
        expect(Math.abs(native - reference), `d ${d}, norm × ${base}, ratio ${ratio}`).toBeLessThanOrEqual(4 * Math.sqrt(d) * unit);
      }
    }
    for (const length of [0.9e-12, 0.999e-12, 1.1e-12]) {
      const [native, reference] = both(row(length, 0), row(length, 0), 'cosineDistance');
      expect(Math.abs(native - reference)).toBeLessThanOrEqual(8 * unit);
    }
    const ones = matrix(new Float32Array(300_000).fill(1), 300_000);
    expect(distances(matrix(new Float32Array(300_000), 300_000), ones, { metric: 'cosineDistance' }).data[0]).toBe(1);
  });

  it.each(levels)('%s: opposite rows of 1e19 have a finite distance, and infinite squares', (isa) => {
    setIsa(isa);
    for (const d of [1, 3, 16]) {
      const far = 1e19 / Math.sqrt(d);
      const [x, y] = [row(...Array(d).fill(far)), row(...Array(d).fill(-far))];
      const [native, reference] = both(x, y, 'euclidean');
      expect(Number.isFinite(reference)).toBe(true);
      expect(Math.abs(native / reference - 1)).toBeLessThanOrEqual((d + 4) * unit);
      expect(both(x, y, 'squaredEuclidean')).toEqual([Infinity, Infinity]);
    }
  });

  it.each(levels)('%s: snr where a mean dwarfs the spread', (isa) => {
    setIsa(isa);
    const x = scaled(normalMatrix(1, 64, 3), 1e-5);
    for (const offset of [0.1, 100, 1e6]) {
      const [native, reference] = both(x, row(...Array(64).fill(offset)), 'snr');
      expect(Math.abs(native - reference)).toBeLessThanOrEqual(2 ** -18 * reference);
    }
  });

  it('another view of the same rows is the same rows, at once and as a promise', async () => {
    const x = alloc(2, 3);
    x.data.set([1, 2, 3], 3);
    const view = { data: x.data.subarray(0), shape: x.shape };
    for (const metric of metrics) {
      const own = [...distances(x, { metric }).data];
      expect([...distances(x, view, { metric }).data]).toEqual(own);
      expect([...(await promises.distances(x, view, { metric })).data]).toEqual(own);
    }
  });

  it('a second SharedArrayBuffer object over an input is that input', () => {
    const x = alloc(4, 4);
    x.data.set(normalMatrix(4, 4, 1).data);
    const before = x.data.slice();
    const out = { data: new Float32Array(structuredClone(x.data.buffer)), shape: [4, 4] as const };
    const codes = [() => distances(x, { out }), () => distances(x, x, { out, metric: 'manhattan' })].map((run) => {
      try {
        return String(run());
      } catch (error) {
        return error instanceof HypersphereError && error.code;
      }
    });
    expect(codes).toEqual(['ERR_ALIAS', 'ERR_ALIAS']);
    expect(x.data).toEqual(before);
  });

  it('many calls may share one signal', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listen);
    const { signal } = new AbortController();
    const x = normalMatrix(30, 20, 1);
    await Promise.all(Array.from({ length: 40 }, () => promises.distances(x, { signal })));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });
});
