// The native batch triplet loss at every level and several thread counts. A rule's choice among float32 distances is exact: the oracle walks
// the reference's triplets over the native distances themselves, so counts must be equal and sums are float64's.
import { expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import {
  type BatchTripletLossOptions,
  batchContrastiveLoss,
  batchTripletLoss,
  distances,
  type Matrix,
  matrix,
  normalize,
  setIsa,
  setThreads,
} from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { eachTriplet } from '../../lib/reference/mining.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative, levels, mostRows } from '../helpers/native.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

type Options = Required<Pick<BatchTripletLossOptions, 'mining' | 'distance' | 'normalize' | 'margin' | 'reduction' | 'soft' | 'swap'>>;
const minings = ['all', 'violating', 'semiHard', 'hard', 'easy', 'batchHard', 'semiHardClosest', 'hardestViolating'] as const;
const metrics = ['euclidean', 'squaredEuclidean', 'cosineSimilarity'] as const;
const reductions = ['mean', 'sum', 'meanPositive'] as const;

/** Distances as the native op sees them, and its rows. */
function seen(x: Matrix, options: Options): { apart: Float64Array; rows: Matrix } {
  const n = x.shape[0];
  const cosine = options.distance === 'cosineSimilarity';
  const rows = cosine || options.normalize ? normalize(x) : x;
  const between = distances(rows, { metric: cosine ? 'dot' : options.distance });
  const apart = Float64Array.from(between.data, (value) => (cosine ? -value : value));
  for (let i = 0; i < n; i++) apart[i * n + i] = 0;
  return { apart, rows };
}

function expectLoss(x: Matrix, labels: Int32Array, options: Options, what: string): void {
  const [n, d] = x.shape;
  const { apart, rows } = seen(x, options);
  let [sum, size, triplets, active] = [0, 0, 0, 0];
  const coefficients = new Float64Array(n * n);
  const add = (at: number, value: number) => {
    coefficients[at] = (coefficients[at] as number) + value;
  };
  eachTriplet(options.mining, { first: 0, n, columns: n, d, labels, apart, margin: options.margin, seed: 0 }, (a, p, k) => {
    const [near, direct, across] = [apart[a * n + p] as number, apart[a * n + k] as number, apart[p * n + k] as number];
    const crossed = options.swap && across < direct;
    const far = crossed ? across : direct;
    const gap = near - far + options.margin;
    const value = options.soft ? Math.max(gap, 0) + Math.log1p(Math.exp(-Math.abs(gap))) : Math.max(gap, 0);
    sum += value;
    size += value > 0 ? Math.abs(near) + Math.abs(far) + options.margin + value : 0;
    triplets++;
    if (value > 0) active++;
    const slope = options.soft ? 1 / (1 + Math.exp(-gap)) : gap > 0 ? 1 : 0;
    add(a * n + p, slope);
    add((crossed ? p : a) * n + k, -slope);
  });
  const scale = 1 / Math.max({ sum: 1, mean: triplets, meanPositive: active }[options.reduction], 1);
  const got = batchTripletLoss(x, labels, options);
  expect([got.numTriplets, got.numActive], what).toEqual([triplets, active]);
  expect(Math.abs(got.loss - scale * sum), what).toBeLessThanOrEqual((triplets + 8) * 2 ** -53 * scale * size);
  const without = batchTripletLoss(x, labels, { ...options, gradients: false });
  expect([without.loss, without.numTriplets, without.numActive], what).toEqual([got.loss, triplets, active]);

  // The gradient in float64 from the same coefficients, and what its terms add up to.
  const [grad, sizes] = [new Float64Array(n * d), new Float64Array(n * d)];
  const mean = new Float64Array(d);
  for (let i = 0; i < n * d; i++) mean[i % d] = (mean[i % d] as number) + (rows.data[i] as number) / n;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const c = coefficients[i * n + j] as number;
      if (c === 0) continue;
      const distance = apart[i * n + j] as number;
      const dots = options.distance === 'cosineSimilarity';
      const weight = scale * (dots ? -c : options.distance === 'squaredEuclidean' ? 2 * c : distance > 0 ? c / distance : 0);
      for (let k = 0; k < d; k++) {
        const [u, v, m] = [rows.data[i * d + k] as number, rows.data[j * d + k] as number, mean[k] as number];
        const [toI, toJ] = dots ? [v, u] : [u - v, v - u];
        grad[i * d + k] = (grad[i * d + k] as number) + weight * toI;
        grad[j * d + k] = (grad[j * d + k] as number) + weight * toJ;
        const terms = Math.abs(weight) * (dots ? Math.abs(u) + Math.abs(v) : Math.abs(u - m) + Math.abs(v - m));
        sizes[i * d + k] = (sizes[i * d + k] as number) + terms;
        sizes[j * d + k] = (sizes[j * d + k] as number) + terms;
      }
    }
  }
  const unitFirst = rows !== x;
  const limits = new Float64Array(n * d);
  const expected = new Float64Array(n * d);
  if (unitFirst) reference.normalizeGradient({ x: Float64Array.from(x.data), n, d, eps: 1e-12, gradOutput: grad, gradX: expected });
  else expected.set(grad);
  for (let i = 0; i < n; i++) {
    const [row, from] = [x.data.subarray(i * d, (i + 1) * d), sizes.subarray(i * d, (i + 1) * d)];
    const norm = unitFirst ? Math.max(Math.hypot(...row), 1e-12) : 1;
    const most = Math.hypot(...from) / norm;
    for (let k = 0; k < d; k++) limits[i * d + k] = (2 * n + 16) * roundoff * (unitFirst ? most * 2 : (from[k] as number)) + 2 ** -126;
  }
  expectWithin(got.gradEmbeddings.data, expected, (at) => limits[at] as number, `${what}: gradient`);
}

const labelings: Record<string, (n: number) => Int32Array> = {
  'one class': (n) => new Int32Array(n).fill(-7),
  'all distinct': (n) => Int32Array.from({ length: n }, (_, i) => n - i),
  'four a class': (n) => Int32Array.from({ length: n }, (_, i) => i >> 2),
  unbalanced: (n) => Int32Array.from({ length: n }, (_, i) => Math.floor(Math.sqrt((i * 7) % n)) - 3),
};
const shapes = [
  [1, 3],
  [2, 1],
  [17, 3],
  [17, 128],
  [255, 17],
  [300, 17],
].filter((shape): shape is [number, number] => (shape[0] as number) <= mostRows);

describeLevels('batch triplet loss', () => {
  it.each(minings)(
    '%s',
    (mining) => {
      resetServed();
      let at = 0;
      for (const [n, d] of shapes) {
        for (const [name, labelsOf] of Object.entries(labelings)) {
          for (const distance of metrics) {
            setThreads((at % 3) + 1);
            const reduction = reductions[at % 3] as Options['reduction'];
            const soft = at % 4 === 1 && n < 200;
            const options = { mining, distance, normalize: at % 2 === 0, margin: 0.2, reduction, soft, swap: at % 5 === 2 };
            expectLoss(normalMatrix(n, d, 1 + (at % 5)), labelsOf(n), options, `${name} of ${n}, ${d}: ${JSON.stringify(options)}`);
            at++;
          }
        }
      }
      expect(servedBy()).toEqual(['native']);
    },
    120_000,
  );
  it('more blocks than one', () => {
    const four = Int32Array.from({ length: 700 }, (_, i) => i >> 2);
    // A block of the form with `swap` has 256 rows, fewer than the class 0.
    const large = Int32Array.from({ length: 530 }, (_, i) => (i % 2 === 0 ? 0 : i >> 3));
    for (const [mining, d, labels, swap] of [
      ['all', 17, four, false],
      ['batchHard', 128, four, false],
      ['semiHardClosest', 3, four, false],
      ['violating', 17, four, true],
      ['semiHard', 5, large, true],
      ['batchHard', 5, large, true],
    ] as const) {
      setThreads(2);
      const options = {
        mining,
        distance: 'euclidean',
        normalize: false,
        margin: 0.2,
        reduction: 'meanPositive',
        soft: false,
        swap,
      } as const;
      const n = Math.min(labels.length, 4 * mostRows);
      expectLoss(normalMatrix(n, d, 5), labels.subarray(0, n), options, `${mining} ${swap}`);
    }
  }, 120_000);
  it('duplicates, ties, offset data, clusters', () => {
    const random = normalMatrix(64, 8, 3).data;
    const data: Record<string, Float32Array> = {
      duplicates: random.map((_, i) => random[i % 128] as number),
      ties: random.map((value) => Math.round(value)),
      offset: random.map((value) => 100 + value),
      clusters: random.map((value, i) => (i < 256 ? 50 : -50) + value * 1e-3),
      outlier: random.map((value, i) => (i < 8 ? 1e7 * value : value)),
    };
    for (const [name, values] of Object.entries(data)) {
      for (const mining of minings) {
        for (const distance of metrics) {
          for (const swap of [false, true]) {
            const options = { mining, distance, normalize: false, margin: 0.5, reduction: 'mean', soft: false, swap } as const;
            expectLoss(
              matrix(values, 8),
              Int32Array.from({ length: 64 }, (_, i) => i % 5),
              options,
              `${name}: ${mining} ${distance} ${swap}`,
            );
          }
        }
      }
    }
  });
  it.each([false, true])('NaN anywhere, and infinite distances, as the reference, with swap %s', (swap) => {
    for (const odd of [Number.NaN, Infinity]) {
      const x = normalMatrix(24, 4, 9);
      x.data[37] = odd;
      for (const mining of minings) {
        const labels = Int32Array.from({ length: 24 }, (_, i) => i % 5);
        const gradX = new Float64Array(96);
        const op = { distance: 'euclidean', normalize: false, margin: 0.2, reduction: 'mean', soft: false, swap } as const;
        const wanted = reference.batchTripletLoss({ ...op, x: x.data, labels, n: 24, d: 4, mining, seed: 0, gradX });
        const got = batchTripletLoss(x, labels, { ...op, mining });
        expect([got.numTriplets, got.numActive], `${odd} ${mining}`).toEqual([wanted.numTriplets, wanted.numActive]);
        if (Number.isFinite(wanted.loss)) expect(got.loss).toBeCloseTo(wanted.loss, 5);
        else expect(got.loss, `${odd} ${mining}`).toBe(wanted.loss);
        if (Number.isNaN(wanted.loss)) expect(got.gradEmbeddings.data.every(Number.isNaN)).toBe(true);
      }
    }
  });
});

describeNative('what the addon leaves to the reference', () => {
  it.each([{ distance: 'snr' }, { mining: 'faceNetSemiHard' }, { margin: 1e39 }] as const)('%o', (options) => {
    resetServed();
    batchTripletLoss(
      normalMatrix(12, 4, 1),
      Int32Array.from({ length: 12 }, (_, i) => i % 3),
      options,
    );
    expect(servedBy()).toEqual(['ts']);
  });

  it('so that a margin beyond float32 counts in full', () => {
    const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);
    const triplet = batchTripletLoss(normalMatrix(12, 4, 1), labels, { margin: 1e39, mining: 'all', reduction: 'mean' });
    expect(triplet.loss / 1e39).toBeCloseTo(1, 12);
    const pairs = batchContrastiveLoss(normalMatrix(12, 4, 1), labels, { posMargin: 0, negMargin: 1e39, reduction: 'mean' });
    expect(pairs.loss / 1e39).toBeCloseTo(1, 12);
  });
});

describeNative('bits of the batch triplet loss', () => {
  it('are the same at every level with FMA and any number of threads', () => {
    for (const [n, d] of [
      [17, 3],
      [40, 128],
      [300, 17],
      [600, 5],
    ] as const) {
      const x = normalMatrix(n, d, 11);
      // The form with `swap` streams all triplets.
      const forms = minings.flatMap((mining) => [false, true].map((swap) => ({ mining, swap })));
      for (const { mining, swap } of forms) {
        for (const distance of metrics) {
          const results = levels
            .filter((isa) => isa !== 'baseline')
            .flatMap((isa) =>
              [1, 2, 3].map((threads) => {
                setIsa(isa);
                setThreads(threads);
                const soft = n === 17;
                const labels = Int32Array.from({ length: n }, (_, i) => i % Math.ceil(n / 4));
                const { loss, numActive, gradEmbeddings } = batchTripletLoss(x, labels, {
                  mining,
                  distance,
                  soft,
                  swap,
                  normalize: d === 3,
                });
                return { loss, numActive, bits: bitsText(gradEmbeddings.data) };
              }),
            );
          for (const result of results) expect(result).toEqual(results[0]);
        }
      }
    }
  }, 120_000);
});
