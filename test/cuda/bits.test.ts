// The device's results are the CPU's to the bit, at each of its levels with fused multiply-add: through the public functions, for what has a
// kernel, and for the reference vectors.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { alloc, distances, info, type Matrix, matmul, matrix, normalize, normalizeGradient, setBackend, setIsa } from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import * as off from '../../lib/promises.js';
import { normalMatrix } from '../helpers/data.js';
import { driver } from '../helpers/device.js';
import { levels } from '../helpers/native.js';
import { bitsText } from '../helpers/tolerance.js';
import { readCases } from '../vectors/case.js';
import { ops } from '../vectors/ops.js';
import { runVectors } from '../vectors/run.js';

const fused = levels.filter((isa) => isa !== 'baseline');
afterAll(() => setIsa(levels.at(-1) as never));

/** The device's result, which the device alone has computed. */
function byDevice<T>(run: () => T): T {
  setBackend('cuda');
  resetServed();
  const result = run();
  expect(servedBy()).toEqual(['cuda']);
  return result;
}

function expectBits(run: () => Matrix): void {
  const device = bitsText(byDevice(run).data);
  setBackend('native');
  for (const isa of fused) {
    setIsa(isa);
    expect(bitsText(run().data) === device, isa).toBe(true);
  }
}

/** Rows of which some are zero, equal to another, far out, tiny, infinite or no numbers. */
function nasty(n: number, d: number, seed: number): Matrix {
  const rows = normalMatrix(n, d, seed);
  const scales = [1, 0, 1e-30, 1e25, Infinity, Number.NaN, 1e-20, 1];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < d; k++) rows.data[i * d + k] = i % 8 === 7 ? rows.data[k]! : rows.data[i * d + k]! * scales[i % 8]!;
  }
  return rows;
}

const offset = (rows: Matrix): Matrix => ({ ...rows, data: rows.data.map((value) => value + 100) });

describe('the device', () => {
  it('is there, and says what it is', () => {
    setBackend('cuda');
    expect(info()).toMatchObject({ backend: 'cuda', cuda: { available: true, name: expect.stringMatching(/./) } });
    expect(info().cuda).not.toHaveProperty('reason');
    expect(info().unavailable).toEqual({});
    expect(driver).not.toBe('');
    // Nothing below compares anything otherwise.
    expect(fused.length).toBeGreaterThan(0);
  });
});

describe('matmul', () => {
  it.each([
    [1, 1, 1],
    [3, 17, 130],
    [129, 40, 65],
  ])('[%i, %i] by [%i]', (rows, inner, cols) => {
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        const a = transposeA ? normalMatrix(inner, rows, 1) : normalMatrix(rows, inner, 1);
        const b = transposeB ? normalMatrix(cols, inner, 2) : normalMatrix(inner, cols, 2);
        expectBits(() => matmul(a, b, { transposeA, transposeB }));
      }
    }
  });
});

describe('no rows', () => {
  const [none, some] = [{ data: new Float32Array(0), shape: [0, 3] } as const, normalMatrix(3, 2, 1)];
  it('give nothing, or sums of nothing', () => {
    expectBits(() => matmul(none, some));
    expectBits(() => matmul(none, none, { transposeA: true }));
    for (const metric of metrics) {
      expectBits(() => distances(none, { metric }));
      expectBits(() => distances(normalMatrix(2, 3, 1), none, { metric }));
    }
    expectBits(() => normalize(none));
    expectBits(() => normalizeGradient(none, none));
  });
});

describe.each(metrics)('distances, %s', (metric) => {
  const data: [name: string, x: Matrix, y: Matrix][] = [1, 15, 40].flatMap((d) => [
    [`plain, d = ${d}`, normalMatrix(19, d, 3), normalMatrix(131, d, 4)],
    [`offset, d = ${d}`, offset(normalMatrix(9, d, 3)), offset(normalMatrix(21, d, 4))],
    [`nasty, d = ${d}`, nasty(17, d, 5), nasty(33, d, 6)],
  ]);
  it.each(data)('%s', (_name, x, y) => {
    expectBits(() => distances(x, y, { metric }));
    expectBits(() => distances(y, { metric }));
  });
});

describe('normalize and its gradient', () => {
  it.each([1, 15, 40])('d = %i', (d) => {
    const [x, g] = [nasty(33, d, 8), normalMatrix(33, d, 9)];
    expectBits(() => normalize(x));
    expectBits(() => normalizeGradient(x, g));
    expectBits(() => normalize(x, { eps: 0.5 }));
  });
});

describe('off the event loop', () => {
  beforeAll(() => setBackend('native'));
  it('has the same bits, in ordinary and in shared memory', async () => {
    const [x, y] = [normalMatrix(40, 24, 1), alloc(50, 24)];
    y.data.set(normalMatrix(50, 24, 2).data);
    const runs = [
      [() => matmul(x, y, { transposeB: true }), () => off.matmul(x, y, { transposeB: true })],
      [() => distances(x, y), () => off.distances(x, y)],
      [() => distances(y), () => off.distances(y)],
      [() => normalize(y), () => off.normalize(y)],
      [() => normalizeGradient(x, x), () => off.normalizeGradient(x, x)],
    ] as const;
    setBackend('native');
    const expected = runs.map(([run]) => bitsText(run().data));
    const results = await byDevice(() => Promise.all(runs.map(([, start]) => start())));
    expect(results.map(({ data }) => bitsText(data))).toEqual(expected);
  });
  it('reads a view from where it begins', () => {
    const all = normalMatrix(20, 8, 3).data;
    expectBits(() => distances(matrix(all.subarray(8, 56), 8), matrix(all.subarray(64), 8)));
  });
});

describe('the reference vectors', () => {
  const cases = readCases(join(dirname(fileURLToPath(import.meta.url)), '../vectors/data'));
  const bits = (values: ArrayLike<number> | number): string => bitsText(Float32Array.from(typeof values === 'number' ? [values] : values));
  const results = (backend: 'native' | 'cuda', test: (typeof cases)[number]) => {
    setBackend(backend);
    return Object.entries(ops[test.op]?.(test) ?? {}).map(([name, values]) => [name, bits(values)]);
  };
  const touched = new Set<string>();
  describe.each(fused)('%s', (isa) => {
    it('have the bits of the CPU where the device takes part', () => {
      setIsa(isa);
      for (const test of cases) {
        resetServed();
        const device = results('cuda', test);
        if (!servedBy().includes('cuda')) continue;
        touched.add(test.op);
        expect(device.length, test.id).toBeGreaterThan(0);
        expect(device, test.id).toEqual(results('native', test));
      }
    });
  });
  it('are counted by who served them, and strict runs name what the device did not', () => {
    setBackend('cuda');
    const chosen = ['l2_normalize', 'pairwise_distance', 'cross_entropy'].map((op) => cases.find((test) => test.op === op)!);
    const run = (strict: boolean) => {
      const lines: string[] = [];
      return { code: runVectors(chosen, { backend: 'cuda', strict }, (line) => lines.push(line)), text: lines.join('\n') };
    };
    expect(run(false)).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^1 cases on the device \(.+\) alone, 1 with .+, 1 on the CPU alone$/m),
    });
    const { code, text } = run(true);
    expect(code).toBe(1);
    expect(text.match(/^FAILED .*served by .+, not by cuda alone$/gm)).toHaveLength(2);
  });
  it('take the device wherever it has a kernel', () => {
    for (const op of ['l2_normalize', 'pairwise_distance']) expect(touched).toContain(op);
  });
});
