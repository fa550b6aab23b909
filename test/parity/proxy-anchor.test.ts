// The native proxy-anchor loss against the reference in float64, at every level and several thread counts, with bounds from the sums it is made of.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resetServed, servedBy, workspacePeak } from '../../lib/backend.js';
import { type Matrix, type ProxyAnchorLossOptions, proxyAnchorLoss, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { atEveryFmaLevel, describeLevels, describeNative, levels } from '../helpers/native.js';
import { boundsOfGiven, wideRows } from '../helpers/softmax-bounds.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

const at = (values: ArrayLike<number>, i: number) => values[i] as number;
const wide = (values: ArrayLike<number>) => Float64Array.from(values);
const labelsOf = (n: number, classes: number) => Int32Array.from({ length: n }, (_, i) => (i * 7919 + 1) % classes);
type Options = Required<Pick<ProxyAnchorLossOptions, 'margin' | 'alpha'>>;

/** What the gradients' terms add up to, from the gradient of every cosine. */
function sizesOf(u: Float64Array, v: Float64Array, labels: Int32Array, d: number, { margin, alpha }: Options) {
  const [n, classes] = [labels.length, v.length / d];
  const [toU, toV] = [new Float64Array(n * d), new Float64Array(classes * d)];
  const touched = Math.max(new Set(labels).size, 1);
  const z = new Float64Array(n);
  for (let c = 0; c < classes; c++) {
    let [ownMost, otherMost] = [-Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      let cosine = 0;
      for (let k = 0; k < d; k++) cosine += at(u, i * d + k) * at(v, c * d + k);
      z[i] = labels[i] === c ? -alpha * (cosine - margin) : alpha * (cosine + margin);
      if (labels[i] === c) ownMost = Math.max(ownMost, at(z, i));
      else otherMost = Math.max(otherMost, at(z, i));
    }
    let [own, other] = [Math.exp(-Math.max(ownMost, 0)), Math.exp(-Math.max(otherMost, 0))];
    for (let i = 0; i < n; i++) {
      if (labels[i] === c) own += Math.exp(at(z, i) - Math.max(ownMost, 0));
      else other += Math.exp(at(z, i) - Math.max(otherMost, 0));
    }
    for (let i = 0; i < n; i++) {
      const mine = labels[i] === c;
      const share = Math.exp(at(z, i) - Math.max(mine ? ownMost : otherMost, 0)) / (mine ? own : other);
      const size = (alpha * share) / (mine ? touched : classes);
      for (let k = 0; k < d; k++) {
        toU[i * d + k] = at(toU, i * d + k) + size * Math.abs(at(v, c * d + k));
        toV[c * d + k] = at(toV, c * d + k) + size * Math.abs(at(u, i * d + k));
      }
    }
  }
  return { toU, toV };
}

function expectLoss(x: Matrix, proxies: Matrix, labels: Int32Array, options: Options, what: string): void {
  const [[n, d], [classes]] = [x.shape, proxies.shape];
  const [gradX, gradProxies] = [new Float64Array(n * d), new Float64Array(classes * d)];
  const inputs = { x: wide(x.data), proxies: wide(proxies.data), labels, n, d, classes };
  const loss = reference.proxyAnchorLoss({ ...inputs, ...options, gradX, gradProxies });
  resetServed();
  const got = proxyAnchorLoss(x, proxies, labels, options);
  expect(servedBy(), what).toEqual(['native']);
  // A cosine is wrong by as many roundings as it has terms, an exponential by alpha times that.
  const error = 2 * options.alpha * (d + 24) * roundoff + 64 * roundoff;
  if (Number.isNaN(loss)) expect(got.loss, what).toBeNaN();
  else expect(Math.abs(got.loss - loss), `${what}: ${got.loss} for ${loss}`).toBeLessThanOrEqual(2 * error);
  const { toU, toV } = sizesOf(wideRows(x, true), wideRows(proxies, true), labels, d, options);
  const relative = 2 * error + (n + classes) * roundoff;
  const limitX = boundsOfGiven(
    x,
    true,
    toU.map((size) => relative * size),
  );
  const limitProxies = boundsOfGiven(
    proxies,
    true,
    toV.map((size) => relative * size),
  );
  expectWithin(got.gradEmbeddings.data, gradX, (k) => at(limitX, k), `${what}: x`);
  expectWithin(got.gradProxies.data, gradProxies, (k) => at(limitProxies, k), `${what}: proxies`);
  expect(proxyAnchorLoss(x, proxies, labels, { ...options, gradients: false }).loss).toBe(got.loss);
}

const shapes: [n: number, d: number][] = [
  [0, 3],
  [1, 5],
  [2, 1],
  [17, 3],
  [33, 128],
  [260, 17],
];
const odd: Record<string, (x: Float32Array, y: Float32Array, d: number) => unknown> = {
  'zero rows': (x, y, d) => x.fill(0, 0, 2 * d) && y.fill(0, d, 3 * d),
  'equal rows': (x, y, d) => x.copyWithin(d, 0, d).copyWithin(5 * d, 0, d) && y.set(x.subarray(0, 3 * d)),
  'opposite rows': (x, y, d) => y.set(x.subarray(0, 4 * d).map((value) => -value)),
  'short rows': (x, y, d) => x.set(x.subarray(0, d).map((value) => 1e-30 * value)) ?? y.set(y.subarray(0, d).map((value) => 1e-9 * value)),
  'rows of 1e25': (x, y, d) => x.set(x.subarray(0, 2 * d).map((v) => 1e25 * v)) ?? y.set(y.subarray(0, 3 * d).map((v) => 1e25 * v)),
  'rows at the end of float32': (x, y, d) => x.fill(3e38, 0, d) && y.fill(-3e38, d, 2 * d),
  'an infinite row': (x, _, d) => x.fill(Infinity, 0, 1) && x.fill(-Infinity, 2 * d, 2 * d + 1),
  'a row that is no number': (x, _, d) => x.fill(Number.NaN, 2 * d, 2 * d + 1),
  'a proxy that is no number': (_, y, d) => y.fill(Number.NaN, d, d + 1),
};

describeLevels('proxyAnchorLoss', () => {
  it('of any shape', () => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const classes of [1, 7, 300]) {
        for (const alpha of [0.5, 32]) {
          for (const margin of [0, 0.1]) {
            setThreads([1, 2, 3, 8][turn++ % 4] as number);
            const what = `${n}, ${d}, ${classes}, ${alpha}, ${margin}`;
            expectLoss(normalMatrix(n, d, 1), normalMatrix(classes, d, 2, 0.1), labelsOf(n, classes), { alpha, margin }, what);
          }
        }
      }
    }
  });
  it('of more blocks of proxies than one', () => {
    // So wide that a block has 16 of them.
    setThreads(2);
    expectLoss(normalMatrix(2, 2 ** 16, 1), normalMatrix(37, 2 ** 16, 2), Int32Array.of(20, 36), { alpha: 32, margin: 0.1 }, 'wide');
  });
  it.each(Object.entries(odd))('%s', (name, change) => {
    for (const d of [1, 5, 33]) {
      const [x, y] = [normalMatrix(9, d, 1), normalMatrix(9, d, 2)];
      change(x.data, y.data, d);
      for (const alpha of [1, 32]) {
        expectLoss(x, y, labelsOf(9, 9), { alpha, margin: 0.1 }, `${name}, ${d}, ${alpha}`);
        expectLoss(y, x, new Int32Array(9).fill(1), { alpha, margin: 0.1 }, `${name}, ${d}, ${alpha}, one class`);
      }
    }
  });
});

describeNative('proxyAnchorLoss', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => setIsa(levels.at(-1) as (typeof levels)[number]));

  it('leaves options beyond float32 to the reference', () => {
    for (const options of [{ alpha: 1e39 }, { alpha: 1e-40 }, { margin: 1e39 }]) {
      resetServed();
      proxyAnchorLoss(normalMatrix(4, 3, 1), normalMatrix(4, 3, 2), [0, 1, 2, 3], options);
      expect(servedBy()).toEqual(['ts']);
    }
  });
  it('has the same bits at every level with FMA and on any number of threads', () => {
    for (const [n, d, classes] of [
      [33, 3, 5],
      [530, 33, 300],
      [300, 128, 5000],
    ] as const) {
      const [x, proxies] = [normalMatrix(n, d, 1), normalMatrix(classes, d, 2)];
      const runs = atEveryFmaLevel(() => {
        const { loss, gradEmbeddings, gradProxies } = proxyAnchorLoss(x, proxies, labelsOf(n, classes));
        return [loss, bitsText(gradEmbeddings.data), bitsText(gradProxies.data)];
      });
      for (const other of runs.slice(1)) expect(other).toEqual(runs[0]);
    }
  });
  it('takes scratch memory for blocks of 8192 proxies', () => {
    const [rows, dim, mostMiB] = [8192, 64, 32]; // a matrix of all cosines has eight times as many
    const [x, proxies] = [normalMatrix(rows, dim, 1), normalMatrix(rows, dim, 2)];
    setThreads(2);
    resetServed();
    workspacePeak(); // from here on
    expect(proxyAnchorLoss(x, proxies, labelsOf(rows, rows)).loss).toBeGreaterThan(0);
    const peak = workspacePeak() as number;
    expect(servedBy()).toEqual(['native']);
    expect(peak).toBeGreaterThan(rows * dim * 4);
    expect(peak).toBeLessThanOrEqual(mostMiB * 2 ** 20);
  });
});
