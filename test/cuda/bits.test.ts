// The device's results are the CPU's to the bit, at each of its levels with fused multiply-add: through the public functions, for what has a
// kernel, and for the reference vectors.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import {
  alloc,
  distances,
  distancesGradient,
  Gallery,
  info,
  type Matrix,
  matmul,
  matrix,
  type Neighbours,
  nearest,
  normalize,
  normalizeGradient,
  setBackend,
  setIsa,
  toBfloat16,
} from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import * as off from '../../lib/promises.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
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
  it.each(data)('gradient, %s', (_name, x, y) => {
    const g = normalMatrix(x.shape[0], y.shape[0], 7);
    const sides = ['gradX', 'gradY'] as const;
    for (const side of sides) expectBits(() => distancesGradient(x, y, g, { metric })[side] as Matrix);
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

describe.each(metrics)('nearest and Gallery, %s', (metric) => {
  const [x, rows] = [nasty(12, 9, 1), nasty(70, 9, 2)];
  const [labels, galleryLabels] = [cyclicLabels(12, 3), cyclicLabels(70, 4)];
  const runs: [name: string, run: () => Neighbours][] = [
    ['without the own row', () => nearest(rows, { metric, k: 5 })],
    ['in a gallery', () => nearest(x, rows, { metric, k: 7 })],
    ['all of it', () => nearest(x, rows, { metric, k: 70 })],
    ['of the own class', () => nearest(x, rows, { metric, k: 20, filter: 'same', labels, galleryLabels })],
    ['of another class', () => nearest(x, rows, { metric, k: 20, filter: 'different', labels, galleryLabels })],
    ['in bfloat16', () => nearest(x, { data: toBfloat16(rows.data), shape: rows.shape }, { metric, k: 7 })],
    ['in one that is kept', () => new Gallery(rows, { metric }).search(x, { k: 7 })],
    [
      'of a class in one that is kept',
      () => new Gallery(rows, { metric, labels: galleryLabels }).search(x, { k: 9, filter: 'different', labels }),
    ],
  ];
  it.each(runs)('%s', (_name, run) => {
    setBackend('cuda');
    const { indices, distances: found } = run();
    setBackend('native');
    for (const isa of fused) {
      setIsa(isa);
      const expected = run();
      expect(indices.data, isa).toEqual(expected.indices.data);
      expect(bitsText(found.data), isa).toBe(bitsText(expected.distances.data));
    }
  });
});

describe('a gallery', () => {
  it('is where its option says, whoever serves', () => {
    const [x, rows] = [normalMatrix(4, 6, 1), normalMatrix(30, 6, 2)];
    const served = (run: () => unknown) => {
      resetServed();
      run();
      return servedBy();
    };
    setBackend('native');
    expect(served(() => new Gallery(rows, { device: 'cuda' }))).toEqual(['cuda']);
    expect(served(() => new Gallery(rows))).toEqual(['native']);
    const kept = new Gallery(rows, { device: 'cuda' });
    const expected = nearest(x, rows, { k: 3 });
    expect(kept.search(x, { k: 3 })).toEqual(expected);
    setBackend('ts');
    expect(kept.search(x, { k: 3 })).toEqual(expected);
    setBackend('cuda');
    expect(served(() => new Gallery(rows, { device: 'cpu' }))).toEqual(['native']);
    expect(() => new Gallery(rows, { device: 'gpu' as never })).toThrow(expect.objectContaining({ argument: 'options.device' }));
  });
  it('serves searches off the event loop, also when it is disposed meanwhile', async () => {
    setBackend('cuda');
    const [x, rows] = [normalMatrix(20, 6, 1), normalMatrix(300, 6, 2)];
    const kept = new Gallery(rows);
    const expected = kept.search(x, { k: 4 });
    const started = Promise.all(Array.from({ length: 4 }, () => off.search(kept, x, { k: 4 })));
    kept.dispose();
    for (const found of await started) expect(found).toEqual(expected);
    expect(() => kept.search(x)).toThrow(expect.objectContaining({ code: 'ERR_DETACHED' }));
    expect(await off.nearest(x, rows, { k: 4 })).toEqual(expected);
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
    const chosen = ['l2_normalize', 'retrieval_metrics', 'mine_pairs'].map((op) => cases.find((test) => test.op === op)!);
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
    for (const op of [
      'l2_normalize',
      'pairwise_distance',
      'knn',
      'cross_entropy',
      'arcface',
      'center_loss',
      'triplet_batch',
      'contrastive_pair',
      'triplet_euclidean',
      'triplet_squared',
      'proxy_nca',
      'proxy_anchor',
      'contrastive_batch',
      'supcon',
      'lifted_structure',
      'margin_loss',
      'pnp',
      'tuplet_margin',
      'fast_ap',
      'histogram_loss',
      'angular',
    ])
      expect(touched).toContain(op);
  });
});
