// The losses on the addon that are a softmax over the other side's rows, against the reference in float64, at every level and several thread
// counts, with bounds from the sums they are made of.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resetServed, servedBy, workspacePeak } from '../../lib/backend.js';
import {
  type InfoNceLossOptions,
  infoNceLoss,
  type Matrix,
  matrix,
  nPairsLoss,
  proxyNcaLoss,
  setBackend,
  setIsa,
  setThreads,
} from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { atEveryFmaLevel, describeLevels, describeNative, levels } from '../helpers/native.js';
import { boundsOfGiven, softmaxBounds, wideRows } from '../helpers/softmax-bounds.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

const at = (values: ArrayLike<number>, i: number) => values[i] as number;
const wide = (values: ArrayLike<number>) => Float64Array.from(values);
const floats = (values: ArrayLike<number>) => Float32Array.from(values);
const indices = (n: number) => Int32Array.from({ length: n }, (_, i) => i);
const threads = (turn: number) => setThreads([1, 2, 3, 8][turn % 4] as number);
const sum = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + at(b, i));

function expectLoss(got: number, loss: number, limit: number, what: string): void {
  if (Object.is(got, loss)) return;
  expect(Math.abs(got - loss), `${what}: ${got} for ${loss}`).toBeLessThanOrEqual(limit + 8 * roundoff * Math.abs(loss));
}

function expectRows(got: Float32Array, expected: Float64Array, limits: Float64Array, what: string): void {
  expectWithin(got, floats(expected), (i) => at(limits, i) + 2 * roundoff * Math.abs(at(expected, i)), `${what}: rows`);
}

type InfoNce = Required<Omit<InfoNceLossOptions, 'gradients' | 'out'>>;

function expectInfoNce(x: Matrix, y: Matrix, options: InfoNce, what: string): void {
  const [n, d] = x.shape;
  const { temperature, symmetric, normalize } = options;
  const [perExample, gradX, gradY] = [new Float64Array(n), new Float64Array(n * d), new Float64Array(n * d)];
  const loss = reference.infoNceLoss({ x: wide(x.data), y: wide(y.data), n, d, ...options, perExample, gradX, gradY });
  resetServed();
  const got = infoNceLoss(x, y, options);
  expect(servedBy(), what).toEqual(['native']);
  const [u, v] = [wideRows(x, normalize), wideRows(y, normalize)];
  const shared = { n, m: n, d, labels: indices(n), factor: 1 / temperature, weight: symmetric ? 0.5 : 1 };
  const one = softmaxBounds({ ...shared, u, v });
  const other = softmaxBounds({ ...shared, u: v, v: u });
  const both = symmetric
    ? { rows: sum(one.rows, other.rows), loss: one.loss + other.loss, u: sum(one.u, other.v), v: sum(one.v, other.u) }
    : one;
  expectLoss(got.loss, loss, both.loss, what);
  expectRows(got.perExample, perExample, both.rows, what);
  // Beside an infinite loss no gradient means anything.
  if (Number.isFinite(loss) || Number.isNaN(loss)) {
    const [limitX, limitY] = [boundsOfGiven(x, normalize, both.u), boundsOfGiven(y, normalize, both.v)];
    expectWithin(got.gradX.data, gradX, (k) => at(limitX, k), `${what}: x`);
    expectWithin(got.gradY.data, gradY, (k) => at(limitY, k), `${what}: y`);
  }
  const without = infoNceLoss(x, y, { ...options, gradients: false });
  expect([without.loss, without.perExample]).toEqual([got.loss, got.perExample]);
}

function expectNPairs(x: Matrix, y: Matrix, normalize: boolean, l2Reg: number, what: string): void {
  const [n, d] = x.shape;
  const [perExample, gradAnchors, gradPositives] = [new Float64Array(n), new Float64Array(n * d), new Float64Array(n * d)];
  const inputs = { anchors: wide(x.data), positives: wide(y.data), n, d, normalize, l2Reg };
  const loss = reference.nPairsLoss({ ...inputs, perExample, gradAnchors, gradPositives });
  resetServed();
  const got = nPairsLoss(x, y, { normalize, l2Reg });
  expect(servedBy(), what).toEqual(['native']);
  const rows = { u: wideRows(x, normalize), v: wideRows(y, normalize) };
  const bounds = softmaxBounds({ ...rows, n, m: n, d, labels: indices(n), factor: 1, weight: 1 });
  expectLoss(got.loss, loss, bounds.loss, what);
  expectRows(got.perExample, perExample, bounds.rows, what);
  const [limitX, limitY] = [boundsOfGiven(x, normalize, bounds.u), boundsOfGiven(y, normalize, bounds.v)];
  const regularised = ({ data }: Matrix, k: number) => 8 * roundoff * (l2Reg / Math.max(n, 1)) * Math.abs(at(data, k));
  expectWithin(got.gradAnchors.data, gradAnchors, (k) => at(limitX, k) + regularised(x, k), `${what}: anchors`);
  expectWithin(got.gradPositives.data, gradPositives, (k) => at(limitY, k) + regularised(y, k), `${what}: positives`);
}

function expectProxyNca(x: Matrix, proxies: Matrix, labels: Int32Array, scale: number, what: string): void {
  const [[n, d], [classes]] = [x.shape, proxies.shape];
  const outputs = {
    perExample: new Float64Array(n),
    logits: new Float64Array(n * classes),
    gradX: new Float64Array(n * d),
    gradProxies: new Float64Array(classes * d),
  };
  const loss = reference.proxyNcaLoss({ x: wide(x.data), proxies: wide(proxies.data), labels, n, d, classes, scale, ...outputs });
  resetServed();
  const got = proxyNcaLoss(x, proxies, labels, { scale, logits: true });
  expect(servedBy(), what).toEqual(['native']);
  const [u, v] = [wideRows(x, true), wideRows(proxies, true)];
  const offsets = Float64Array.from({ length: classes }, (_, c) => scale * Math.hypot(...v.subarray(c * d, (c + 1) * d)) ** 2);
  const bounds = softmaxBounds({ u, v, n, m: classes, d, labels, factor: 2 * scale, offsets, weight: 1 });
  expectLoss(got.loss, loss, bounds.loss, what);
  expectRows(got.perExample, outputs.perExample, bounds.rows, what);
  expectWithin(got.logits?.data as Float32Array, outputs.logits, () => 4 * (d + 16) * roundoff * scale, `${what}: logits`);
  const [limitX, limitProxies] = [boundsOfGiven(x, true, bounds.u), boundsOfGiven(proxies, true, bounds.v)];
  expectWithin(got.gradEmbeddings.data, outputs.gradX, (k) => at(limitX, k), `${what}: x`);
  expectWithin(got.gradProxies.data, outputs.gradProxies, (k) => at(limitProxies, k), `${what}: proxies`);
  const without = proxyNcaLoss(x, proxies, labels, { scale, gradients: false });
  expect([without.loss, without.perExample]).toEqual([got.loss, got.perExample]);
}

const shapes: [n: number, d: number][] = [
  [0, 3],
  [1, 5],
  [2, 1],
  [17, 3],
  [33, 128],
  [260, 17],
];
const near = (x: Matrix, seed: number): Matrix => {
  const noise = normalMatrix(...x.shape, seed);
  return matrix(
    x.data.map((value, k) => value + 0.3 * at(noise.data, k)),
    x.shape[1],
  );
};
const labelsOf = (n: number, classes: number) => Int32Array.from({ length: n }, (_, i) => (i * 7919 + 1) % classes);

/** Changes to x and y, both [9, d], of rows that are 0, equal, long, short, infinite or no numbers; whether raw rows may have it natively. */
const odd: Record<string, (x: Float32Array, y: Float32Array, d: number) => unknown> = {
  'zero rows': (x, y, d) => x.fill(0, 0, 2 * d) && y.fill(0, d, 3 * d),
  'equal rows': (x, y, d) => x.copyWithin(d, 0, d).copyWithin(5 * d, 0, d) && y.set(x.subarray(0, 3 * d)),
  'short rows': (x, y, d) => x.set(x.subarray(0, d).map((value) => 1e-30 * value)) ?? y.set(y.subarray(0, d).map((value) => 1e-9 * value)),
  'rows shorter than the least length': (x, y, d) =>
    x.set(x.subarray(0, d).map((value) => (0.3e-12 * value) / d)) ?? y.set(y.subarray(0, 2 * d).map((value) => (0.3e-12 * value) / d)),
  'a row that is no number': (x, _, d) => x.fill(Number.NaN, 2 * d, 2 * d + 1),
  'another row that is no number': (_, y, d) => y.fill(Number.NaN, d, d + 1),
};
const long: typeof odd = {
  'rows of 1e25': (x, y, d) => x.set(x.subarray(0, 2 * d).map((v) => 1e25 * v)) ?? y.set(y.subarray(0, 3 * d).map((v) => 1e25 * v)),
  'rows at the end of float32': (x, y, d) => x.fill(3e38, 0, d) && y.fill(-3e38, d, 2 * d),
  'an infinite row': (x, _, d) => x.fill(Infinity, 0, 1) && x.fill(-Infinity, 2 * d, 2 * d + 1),
};

describeLevels('losses composed of native ops', () => {
  it('infoNceLoss', () => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const temperature of [0.07, 1, 30]) {
        for (const [symmetric, normalize] of [
          [false, true],
          [true, true],
          [true, false],
        ] as const) {
          threads(turn++);
          const x = normalMatrix(n, d, 1, normalize ? 3 : 1 / Math.sqrt(d));
          const what = `${n}, ${d}, ${temperature}, ${symmetric}, ${normalize}`;
          expectInfoNce(x, turn % 2 ? near(x, 5) : normalMatrix(n, d, 2), { temperature, symmetric, normalize }, what);
        }
      }
    }
  });
  it('nPairsLoss', () => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const normalize of [false, true]) {
        for (const l2Reg of [0, 0.02]) {
          threads(turn++);
          const x = normalMatrix(n, d, 1);
          expectNPairs(x, turn % 2 ? near(x, 5) : normalMatrix(n, d, 2), normalize, l2Reg, `${n}, ${d}, ${normalize}, ${l2Reg}`);
        }
      }
    }
  });
  it('proxyNcaLoss', () => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const classes of [1, 7, 300]) {
        for (const scale of [1, 8]) {
          threads(turn++);
          const proxies = normalMatrix(classes, d, 2, 0.1);
          expectProxyNca(normalMatrix(n, d, 1), proxies, labelsOf(n, classes), scale, `${n}, ${d}, ${classes}, ${scale}`);
        }
      }
    }
  });

  it.each(Object.entries({ ...odd, ...long }))('%s', (name, change) => {
    for (const d of [1, 5, 33]) {
      const [x, y] = [normalMatrix(9, d, 1), normalMatrix(9, d, 2)];
      change(x.data, y.data, d);
      for (const symmetric of [false, true]) {
        expectInfoNce(x, y, { temperature: 0.2, symmetric, normalize: true }, `${name}, ${d}, ${symmetric}`);
        if (name in odd) expectInfoNce(x, y, { temperature: 2, symmetric, normalize: false }, `${name}, ${d}, ${symmetric}, raw`);
      }
      expectNPairs(x, y, true, 0, `${name}, ${d}`);
      if (name in odd) expectNPairs(x, y, false, 0.1, `${name}, ${d}, raw`);
      expectProxyNca(x, y, labelsOf(9, 9), 3, `${name}, ${d}`);
      expectProxyNca(y, x, new Int32Array(9).fill(1), 3, `${name}, ${d}, one class`);
    }
  });
});

describeNative('losses composed of native ops', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => setIsa(levels.at(-1) as (typeof levels)[number]));

  it('leave raw rows whose products are beyond float32 to the reference, and options that are', () => {
    const [x, y] = [normalMatrix(4, 3, 1, 1e18), normalMatrix(4, 3, 2, 1e18)];
    for (const run of [
      () => infoNceLoss(x, y, { normalize: false }).loss,
      () => nPairsLoss(x, y).loss,
      () => infoNceLoss(x, y, { temperature: 1e-35 }).loss,
      () => infoNceLoss(x, y, { temperature: 1e35 }).loss,
      () => proxyNcaLoss(x, y, [0, 1, 2, 3], { scale: 1e38 }).loss,
    ]) {
      resetServed();
      const loss = run();
      expect(servedBy()).toEqual(['ts']);
      expect(Number.isFinite(loss)).toBe(true);
    }
  });

  it('have the losses of raw rows that are infinite', () => {
    for (const d of [1, 5]) {
      for (const [side, place, value] of [
        [0, 0, Infinity],
        [0, 2 * d, -Infinity],
        [1, d, Infinity],
        [1, 0, -Infinity],
      ] as const) {
        const rows = [normalMatrix(6, d, 1), normalMatrix(6, d, 2)] as const;
        rows[side].data[place] = value;
        const [perExample, columns] = [new Float64Array(6), new Float64Array(6)];
        const inputs = { x: wide(rows[0].data), y: wide(rows[1].data), n: 6, d, normalize: false, temperature: 1 };
        const loss = reference.infoNceLoss({ ...inputs, symmetric: false, perExample });
        const both = reference.infoNceLoss({ ...inputs, symmetric: true, perExample: columns });
        resetServed();
        const [one, symmetric] = [nPairsLoss(...rows), infoNceLoss(...rows, { normalize: false, temperature: 1, symmetric: true })];
        expect(servedBy()).toEqual(['native']);
        for (const [got, expected] of [
          [
            [one.loss, ...one.perExample],
            [loss, ...perExample],
          ],
          [
            [symmetric.loss, ...symmetric.perExample],
            [both, ...columns],
          ],
        ] as const) {
          expectWithin(
            floats(got),
            floats(expected),
            (i) => 1e-5 * Math.max(1, Math.abs(at(expected, i))),
            `${d}, ${side}, ${place}, ${value}`,
          );
        }
      }
    }
  });

  it('have the same bits at every level with FMA and on any number of threads', () => {
    for (const [n, d] of [
      [33, 3],
      [530, 33],
      [700, 128],
    ] as const) {
      const [x, y] = [normalMatrix(n, d, 1), normalMatrix(n, d, 2)];
      const runs = atEveryFmaLevel(() => {
        const a = infoNceLoss(x, y, { symmetric: true });
        const b = nPairsLoss(x, y, { l2Reg: 0.01 });
        const c = proxyNcaLoss(x, y, labelsOf(n, n), { scale: 4 });
        const all = [a.perExample, a.gradX.data, a.gradY.data, b.perExample, b.gradAnchors.data, b.gradPositives.data];
        return [a.loss, b.loss, c.loss, ...[...all, c.perExample, c.gradEmbeddings.data, c.gradProxies.data].map(bitsText)];
      });
      for (const other of runs.slice(1)) expect(other).toEqual(runs[0]);
    }
  });

  const [rows, dim] = [8192, 64];
  const mostMiB = 64; // a matrix of all products has four times as many
  it.each([
    ['infoNceLoss', (x: Matrix, y: Matrix) => infoNceLoss(x, y)],
    ['infoNceLoss, symmetric', (x: Matrix, y: Matrix) => infoNceLoss(x, y, { symmetric: true })],
    ['nPairsLoss', (x: Matrix, y: Matrix) => nPairsLoss(x, y, { l2Reg: 0.01 })],
    ['proxyNcaLoss', (x: Matrix, y: Matrix) => proxyNcaLoss(x, y, indices(rows))],
  ] as const)(`%s takes scratch memory for blocks of ${rows} rows`, (_name, run) => {
    const [x, y] = [normalMatrix(rows, dim, 1), normalMatrix(rows, dim, 2)];
    resetServed();
    setThreads(2); // each has sums of its own
    workspacePeak(); // from here on
    const before = process.memoryUsage().arrayBuffers;
    expect(run(x, y).loss).toBeGreaterThan(0);
    // What the call allocated in JavaScript counts as long as it is not collected; a matrix of all products would be collected late.
    const [peak, grown] = [workspacePeak() as number, Math.max(process.memoryUsage().arrayBuffers - before, 0)];
    expect(servedBy()).toEqual(['native']);
    expect(peak).toBeGreaterThan(rows * dim * 4);
    expect(peak + grown).toBeLessThanOrEqual(mostMiB * 2 ** 20);
  });
});
