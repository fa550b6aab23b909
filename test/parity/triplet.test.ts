// The native batch triplet loss at every level and several thread counts. A rule's choice among float32 distances is exact: the oracle walks
// the reference's triplets over the native distances themselves, so counts must be equal and sums are float64's.
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import {
  type BatchTripletLossOptions,
  batchTripletLoss,
  CrossBatchMemory,
  distances,
  type Matrix,
  matrix,
  normalize,
  setIsa,
  setThreads,
} from '../../lib/index.js';
import { pairDistances as metrics, tripletStrategies as minings } from '../../lib/ops/pairs.js';
import { reference } from '../../lib/reference/index.js';
import { eachTriplet } from '../../lib/reference/mining.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative, levels, mostRows } from '../helpers/native.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

type Options = Required<Pick<BatchTripletLossOptions, 'mining' | 'distance' | 'normalize' | 'margin' | 'reduction' | 'soft'>> &
  Pick<BatchTripletLossOptions, 'swap' | 'seed'>;
const reductions = ['mean', 'sum', 'meanPositive'] as const;

/** Rows of earlier batches with labels such as the batches here have. */
interface Earlier {
  readonly rows: Matrix;
  readonly labels: Int32Array;
}

const memoryOf = (earlier: Earlier): CrossBatchMemory => {
  const [capacity, dim] = earlier.rows.shape;
  const memory = new CrossBatchMemory({ capacity, dim });
  memory.enqueue(earlier.rows, earlier.labels);
  return memory;
};

const joined = (first: Float32Array, second: Float32Array): Float32Array => {
  const all = new Float32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
};

/** Distances between all columns as the native op sees them, and those columns. */
function seen(x: Matrix, earlier: Earlier | undefined, options: Options): { apart: Float64Array; rows: Matrix } {
  const d = x.shape[1];
  const cosine = options.distance === 'cosineSimilarity';
  const given = earlier ? matrix(joined(x.data, earlier.rows.data), d) : x;
  const rows = cosine || options.normalize ? normalize(given) : given;
  const columns = rows.shape[0];
  const between = distances(rows, { metric: cosine ? 'dot' : options.distance });
  const apart = new Float64Array(between.data);
  if (cosine) for (let i = 0; i < apart.length; i++) apart[i] = -(apart[i] as number);
  for (let i = 0; i < columns; i++) apart[i * columns + i] = 0;
  return { apart, rows };
}

/** The factor of a pair's difference in the gradient, for the loss's derivative by the pair's distance. */
function weightOf(metric: Options['distance'], slope: number, distance: number, signal: number): number {
  if (metric === 'cosineSimilarity') return -slope;
  if (metric === 'squaredEuclidean') return 2 * slope;
  if (metric === 'euclidean') return distance > 0 ? slope / distance : 0;
  return signal > 0 ? (2 * slope) / signal : 0;
}

/** The reference's triplets over distances of the native op: their sum, the gradient of it in float64, and how far float32 may be from that. */
function oracleOf(x: Matrix, labels: Int32Array, options: Options, apart: Float64Array, rows: Matrix) {
  const [n, d] = x.shape;
  const columns = rows.shape[0];
  let [sum, size, triplets, active] = [0, 0, 0, 0];
  const coefficients = new Float64Array(columns * columns);
  const add = (at: number, value: number) => {
    coefficients[at] = (coefficients[at] as number) + value;
  };
  eachTriplet(options.mining, { first: 0, n, columns, d, labels, apart, margin: options.margin, seed: options.seed ?? 0 }, (a, p, k) => {
    const near = apart[a * columns + p] as number;
    const [direct, across] = [apart[a * columns + k] as number, apart[p * columns + k] as number];
    const crossed = options.swap && across < direct;
    const far = crossed ? across : direct;
    const gap = near - far + options.margin;
    const value = options.soft ? Math.max(gap, 0) + Math.log1p(Math.exp(-Math.abs(gap))) : Math.max(gap, 0);
    sum += value;
    size += value > 0 ? Math.abs(near) + Math.abs(far) + options.margin + value : 0;
    triplets++;
    if (value > 0) active++;
    const slope = options.soft ? 1 / (1 + Math.exp(-gap)) : gap > 0 ? 1 : 0;
    add(a * columns + p, slope);
    add((crossed ? p : a) * columns + k, -slope);
  });
  const scale = 1 / Math.max({ sum: 1, mean: triplets, meanPositive: active }[options.reduction], 1);
  // The gradient in float64 from the same coefficients, and what its terms add up to.
  const [grad, sizes] = [new Float64Array(columns * d), new Float64Array(columns * d)];
  const [snr, dots] = [options.distance === 'snr', options.distance === 'cosineSimilarity'];
  const signals = new Float64Array(columns);
  const values = new Float64Array(rows.data);
  if (snr) {
    for (let i = 0; i < columns; i++) {
      const row = values.subarray(i * d, (i + 1) * d);
      const own = row.reduce((sum, value) => sum + value / d, 0);
      for (let k = 0; k < d; k++) row[k] = (row[k] as number) - own;
      signals[i] = row.reduce((sum, value) => sum + value ** 2, 0);
    }
  }
  const mean = new Float64Array(d);
  if (!snr) for (let i = 0; i < n * d; i++) mean[i % d] = (mean[i % d] as number) + (values[i] as number) / n;
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) {
      const c = coefficients[i * columns + j] as number;
      if (c === 0) continue;
      const distance = apart[i * columns + j] as number;
      const weight = scale * weightOf(options.distance, c, distance, signals[i] as number);
      for (let k = 0; k < d; k++) {
        const [u, v, m] = [values[i * d + k] as number, values[j * d + k] as number, mean[k] as number];
        const through = snr ? distance * u : 0;
        grad[i * d + k] = (grad[i * d + k] as number) + weight * (dots ? v : u - v - through);
        grad[j * d + k] = (grad[j * d + k] as number) + weight * (dots ? u : v - u);
        const terms = Math.abs(weight) * (dots ? Math.abs(u) + Math.abs(v) : Math.abs(u - m) + Math.abs(v - m));
        sizes[i * d + k] = (sizes[i * d + k] as number) + terms + Math.abs(weight * through);
        sizes[j * d + k] = (sizes[j * d + k] as number) + terms;
      }
    }
  }
  const unitFirst = options.normalize || dots;
  const limits = new Float64Array(n * d);
  const expected = new Float64Array(n * d);
  if (unitFirst)
    reference.normalizeGradient({ x: Float64Array.from(x.data), n, d, eps: 1e-12, gradOutput: grad.subarray(0, n * d), gradX: expected });
  else expected.set(grad.subarray(0, n * d));
  for (let i = 0; i < n; i++) {
    const [row, from] = [x.data.subarray(i * d, (i + 1) * d), sizes.subarray(i * d, (i + 1) * d)];
    const norm = unitFirst ? Math.max(Math.hypot(...row), 1e-12) : 1;
    const most = Math.hypot(...from) / norm;
    for (let k = 0; k < d; k++)
      limits[i * d + k] = (2 * columns + 16) * roundoff * (unitFirst ? most * 2 : (from[k] as number)) + 2 ** -126;
  }
  return { triplets, active, loss: scale * sum, slack: (triplets + 8) * 2 ** -53 * scale * size, gradient: expected, limits };
}

/** Levels whose distances have the same bits have the same oracle. */
const oracles = new Map<string, ReturnType<typeof oracleOf>>();

function expectLoss(x: Matrix, batchLabels: Int32Array, options: Options, what: string, earlier?: Earlier): void {
  const { apart, rows } = seen(x, earlier, options);
  const labels = Int32Array.of(...batchLabels, ...(earlier?.labels ?? []));
  const input = createHash('sha1');
  for (const part of [apart, rows.data, x.data, labels]) input.update(part);
  const key = `${JSON.stringify(options)} ${x.shape} ${input.digest('hex')}`;
  const { triplets, active, loss, slack, gradient, limits } = oracles.get(key) ?? oracleOf(x, labels, options, apart, rows);
  oracles.set(key, { triplets, active, loss, slack, gradient, limits });

  const all = earlier ? { ...options, memory: memoryOf(earlier) } : options;
  const got = batchTripletLoss(x, batchLabels, all);
  expect([got.numTriplets, got.numActive], what).toEqual([triplets, active]);
  expect(Math.abs(got.loss - loss), what).toBeLessThanOrEqual(slack);
  const without = batchTripletLoss(x, batchLabels, { ...all, gradients: false });
  expect([without.loss, without.numTriplets, without.numActive], what).toEqual([got.loss, triplets, active]);
  expectWithin(got.gradEmbeddings.data, gradient, (at) => limits[at] as number, `${what}: gradient`);
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
  [130, 17],
].filter((shape): shape is [number, number] => (shape[0] as number) <= mostRows);

/** The rule that draws walks every pair's negatives again in TypeScript: its large batches are those of more than one block, below. */
const mostRowsOf = (mining: (typeof minings)[number]): number => (mining === 'faceNetSemiHard' ? 64 : mostRows);

describeLevels('batch triplet loss', () => {
  it.each(minings)(
    '%s',
    (mining) => {
      resetServed();
      let at = 0;
      for (const [n, d] of shapes.filter(([rows]) => rows <= mostRowsOf(mining))) {
        for (const [name, labelsOf] of Object.entries(labelings)) {
          for (const distance of metrics) {
            setThreads((at % 3) + 1);
            const reduction = reductions[at % 3] as Options['reduction'];
            const soft = at % 4 === 1 && n < 200;
            const swap = at % 5 === 2;
            const options = { mining, distance, normalize: at % 2 === 0, margin: 0.2, reduction, soft, swap, seed: at };
            expectLoss(normalMatrix(n, d, 1 + (at % 5)), labelsOf(n), options, `${name} of ${n}, ${d}: ${JSON.stringify(options)}`);
            at++;
          }
        }
      }
      expect(servedBy()).toEqual(['native']);
    },
    120_000,
  );
  it.each(minings)(
    '%s beside a memory',
    (mining) => {
      resetServed();
      let at = 0;
      for (const [n, d, m] of [
        [1, 3, 1],
        [1, 3, 40],
        [2, 1, 5],
        [17, 3, 33],
        [60, 17, 2],
        [130, 17, 70],
      ].filter(([rows]) => (rows as number) <= mostRowsOf(mining)) as [number, number, number][]) {
        for (const [name, labelsOf] of Object.entries(labelings)) {
          for (const distance of metrics) {
            setThreads([1, 2, 3, 8][at % 4] as number);
            const reduction = reductions[at % 3] as Options['reduction'];
            const options = {
              mining,
              distance,
              normalize: at % 2 === 0,
              margin: 0.2,
              reduction,
              soft: at % 4 === 1 && n < 200,
              swap: at % 5 < 2,
              seed: at,
            };
            // Classes of the batch, and others.
            const labels = Int32Array.from({ length: m }, (_, i) => (labelsOf(n)[(i * 5) % n] as number) + (i % 7 === 0 ? 1 : 0));
            const what = `${name} of ${n}, ${d} and ${m}: ${JSON.stringify(options)}`;
            expectLoss(normalMatrix(n, d, 1 + (at % 5)), labelsOf(n), options, what, { rows: normalMatrix(m, d, 41), labels });
            at++;
          }
        }
      }
      expect(servedBy()).toEqual(['native']);
    },
    120_000,
  );
  it('more blocks than one, alone, with swap and beside a memory', () => {
    const fours = (n: number) => Int32Array.from({ length: n }, (_, i) => i >> 2);
    // A block of the form with `swap` has 256 rows, fewer than the class 0.
    const large = Int32Array.from({ length: 530 }, (_, i) => (i % 2 === 0 ? 0 : i >> 3));
    for (const [mining, d, labels, swap] of [
      ['all', 17, fours(700), false],
      ['batchHard', 128, fours(700), false],
      ['semiHardClosest', 3, fours(700), false],
      ['faceNetSemiHard', 5, fours(700), false],
      ['faceNetSemiHard', 5, large, true],
      ['violating', 17, fours(700), true],
      ['semiHard', 5, large, true],
      ['batchHard', 5, large, true],
    ] as const) {
      setThreads(2);
      const options = {
        mining,
        distance: 'euclidean',
        normalize: false,
        // So that hundreds are inside it, of which a draw takes one.
        margin: mining === 'faceNetSemiHard' ? 2 : 0.2,
        reduction: 'meanPositive',
        soft: false,
        swap,
        seed: 2 ** 32 - 1,
      } as const;
      const n = Math.min(labels.length, 4 * mostRows);
      expectLoss(normalMatrix(n, d, 5), labels.subarray(0, n), options, `${mining} ${swap}`);
      const earlier = { rows: normalMatrix(150, d, 6), labels: fours(150) };
      const rows = Math.min(530, n);
      expectLoss(normalMatrix(rows, d, 5), labels.subarray(0, rows), options, `${mining} ${swap} beside a memory`, earlier);
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
            // The rows themselves once more: ties of rows with those of the memory go to the batch's.
            expectLoss(
              matrix(values, 8),
              Int32Array.from({ length: 64 }, (_, i) => i % 5),
              options,
              `${name}: ${mining} ${distance} ${swap} beside a memory`,
              { rows: matrix(values, 8), labels: Int32Array.from({ length: 64 }, (_, i) => i % 6) },
            );
          }
        }
      }
    }
  });
  it.each([false, true])('NaN anywhere, and infinite distances, as the reference, with swap %s', (swap) => {
    for (const odd of [Number.NaN, Infinity]) {
      const all = normalMatrix(24, 4, 9);
      all.data[37] = odd;
      const labelled = Int32Array.from({ length: 24 }, (_, i) => i % 5);
      // Row 9 is the batch's, or the memory's.
      for (const [mining, n] of minings.flatMap((rule) => [24, 8].map((rows) => [rule, rows] as const))) {
        const [x, labels] = [matrix(all.data.subarray(0, n * 4), 4), labelled.subarray(0, n)];
        const gradX = new Float64Array(n * 4);
        const op = { distance: 'euclidean', normalize: false, margin: 0.2, reduction: 'mean', soft: false, swap } as const;
        const earlier = { x: all.data.subarray(n * 4), labels: labelled.slice(n), m: 24 - n };
        const wanted = reference.batchTripletLoss({
          ...op,
          x: x.data,
          labels,
          n,
          d: 4,
          memory: earlier,
          mining,
          seed: 0,
          gradX,
        });
        const memory = n < 24 ? memoryOf({ rows: matrix(earlier.x, 4), labels: earlier.labels }) : undefined;
        const got = batchTripletLoss(x, labels, { ...op, mining, ...(memory && { memory }) });
        expect([got.numTriplets, got.numActive], `${odd} ${mining}`).toEqual([wanted.numTriplets, wanted.numActive]);
        if (Number.isFinite(wanted.loss)) expect(got.loss).toBeCloseTo(wanted.loss, 5);
        else expect(got.loss, `${odd} ${mining}`).toBe(wanted.loss);
        if (Number.isNaN(wanted.loss)) expect(got.gradEmbeddings.data.every(Number.isNaN)).toBe(true);
      }
    }
  });
});

describeNative('bits of the batch triplet loss', () => {
  it('are the same at every level with FMA and any number of threads', () => {
    for (const [n, d, m] of [
      [17, 3, 0],
      [40, 128, 61],
      [300, 17, 0],
      [600, 5, 40],
    ] as const) {
      const labelsOf = (rows: number) => Int32Array.from({ length: rows }, (_, i) => i % Math.ceil(n / 4));
      const memory = m ? memoryOf({ rows: normalMatrix(m, d, 12), labels: labelsOf(m) }) : new CrossBatchMemory({ capacity: 1, dim: d });
      const x = normalMatrix(n, d, 11);
      // The form with `swap` streams all triplets.
      const forms = minings.flatMap((mining) => [false, true].map((swap) => ({ mining, swap })));
      for (const { mining, swap } of forms) {
        for (const distance of metrics) {
          const results = levels
            .filter((isa) => isa !== 'baseline')
            .flatMap((isa) =>
              [1, 2, 3, 8].map((threads) => {
                setIsa(isa);
                setThreads(threads);
                const soft = n === 17;
                const options = { mining, distance, soft, swap, memory, normalize: d === 3 };
                const { loss, numActive, gradEmbeddings } = batchTripletLoss(x, labelsOf(n), options);
                return { loss, numActive, bits: bitsText(gradEmbeddings.data) };
              }),
            );
          for (const result of results) expect(result).toEqual(results[0]);
        }
      }
    }
  }, 120_000);
});
