// The native losses over the pairs of a batch, at every level, against the TypeScript backend in float64.
import { afterAll, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import * as hs from '../../lib/index.js';
import { pairDistances } from '../../lib/ops/pairs.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative, levels, mostRows } from '../helpers/native.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

type Result = hs.BatchLossResult & { readonly perExample?: Float32Array; readonly gradBeta?: Float32Array };
interface Case {
  readonly name: string;
  /** By how much a row's loss changes at most when all its similarities do. */
  readonly slope: number;
  /** Whether a step, a count or a choice depends on single pairs: these may fall either way where float32 cannot tell. */
  readonly run: (x: hs.Matrix, labels: Int32Array, options?: { memory?: hs.CrossBatchMemory; gradients?: false }) => Result;
}

const contrastive = pairDistances.flatMap((distance) =>
  (['mean', 'sum', 'meanPositive'] as const).map((reduction, i): Case => {
    const margins = distance === 'cosineSimilarity' ? { posMargin: 0.9, negMargin: 0.1 } : { posMargin: 0.1, negMargin: 0.9 };
    const options = { distance, reduction, normalize: i !== 1, ...margins };
    return {
      name: `batchContrastive, ${distance}, ${reduction}`,
      slope: 4,
      run: (x, y, o) => hs.batchContrastiveLoss(x, y, { ...options, ...o } as never) as Result,
    };
  }),
);
const boundaries = Float32Array.from({ length: 13 }, (_, t) => 1 + t / 8);
const folded = (labels: Int32Array) => labels.map((label) => (label + 13 * 100) % 13);
const cases: readonly Case[] = [
  { name: 'supCon', slope: 20, run: (x, y, o) => hs.supConLoss(x, y, { temperature: 0.1, ...o } as never) as Result },
  { name: 'supCon, warm', slope: 2, run: (x, y, o) => hs.supConLoss(x, y, { temperature: 1, ...o } as never) as Result },
  { name: 'ntXent', slope: 10, run: (x, y, o) => hs.ntXentLoss(x, y, { temperature: 0.2, ...o } as never) as Result },
  { name: 'circle', slope: 80, run: (x, y, o) => hs.circleLoss(x, y, { m: 0.25, gamma: 16, ...o } as never) as Result },
  { name: 'multiSimilarity', slope: 16, run: (x, y, o) => hs.multiSimilarityLoss(x, y, { beta: 8, ...o } as never) as Result },
  {
    name: 'multiSimilarity, mined',
    slope: 16,
    run: (x, y, o) => hs.multiSimilarityLoss(x, y, { beta: 8, epsilon: 0.1, ...o } as never) as Result,
  },
  { name: 'nca', slope: 12, run: (x, y, o) => hs.ncaLoss(x, y, { scale: 3, ...o } as never) as Result },
  {
    name: 'nca of raw rows',
    slope: 12,
    run: (x, y, o) => hs.ncaLoss(x, y, { scale: 1 / x.shape[1], normalize: false, ...o } as never) as Result,
  },
  {
    name: 'liftedStructure, generalized',
    slope: 4,
    run: (x, y, o) => hs.liftedStructureLoss(x, y, { generalized: true, ...o } as never) as Result,
  },
  {
    name: 'liftedStructure of raw rows, generalized',
    slope: 4,
    run: (x, y, o) => hs.liftedStructureLoss(x, y, { generalized: true, normalize: false, ...o } as never) as Result,
  },
  { name: 'liftedStructure', slope: 12, run: (x, y, o) => hs.liftedStructureLoss(x, y, { ...o } as never) as Result },
  {
    name: 'liftedStructure of raw rows',
    slope: 12,
    run: (x, y, o) => hs.liftedStructureLoss(x, y, { normalize: false, ...o } as never) as Result,
  },
  { name: 'intraPairVariance', slope: 8, run: (x, y, o) => hs.intraPairVarianceLoss(x, y, { ...o } as never) as Result },
  ...(['O', 'Ds', 'Dq', 'Iu', 'Ib'] as const).map(
    (variant): Case => ({
      name: `pnp, ${variant}`,
      // Two similarities move a sigmoid by 1/T of itself each, and R·f′(R) is at most f(R) + 1, or twice that.
      slope: 40 * (variant[0] === 'I' ? 2 : 1),
      run: (x, y, o) => hs.pnpLoss(x, y, { variant, anneal: 0.05, ...o } as never) as Result,
    }),
  ),
  { name: 'angular', slope: 12, run: (x, y, o) => hs.angularLoss(x, y, { ...o } as never) as Result },
  { name: 'angular, 60°', slope: 60, run: (x, y, o) => hs.angularLoss(x, y, { alpha: Math.PI / 3, ...o } as never) as Result },
  { name: 'tupletMargin', slope: 32, run: (x, y, o) => hs.tupletMarginLoss(x, y, { s: 8, ...o } as never) as Result },
  {
    name: 'tupletMargin of a wide margin',
    slope: 32,
    run: (x, y, o) => hs.tupletMarginLoss(x, y, { s: 4, margin: 1.2, ...o } as never) as Result,
  },
  {
    name: 'tcm',
    slope: 8,
    run: (x, y, o) => hs.tcmLoss(x, y, { lambdaPlus: 2, lambdaMinus: 0.5, marginMinus: 0.2, ...o } as never) as Result,
  },
  { name: 'tcm at 0', slope: 4, run: (x, y, o) => hs.tcmLoss(x, y, { marginPlus: 0, marginMinus: 0, ...o } as never) as Result },
  { name: 'rankedList', slope: 32, run: (x, y, o) => hs.rankedListLoss(x, y, { ...o } as never) as Result },
  {
    name: 'rankedList of weighed positives',
    slope: 16,
    run: (x, y, o) => hs.rankedListLoss(x, y, { tPos: 2, tNeg: 3, imbalance: 0.3, alpha: 1.5, ...o } as never) as Result,
  },
  { name: 'fastAp', slope: 20, run: (x, y, o) => hs.fastApLoss(x, y, { ...o } as never) as Result },
  { name: 'fastAp of one bin', slope: 4, run: (x, y, o) => hs.fastApLoss(x, y, { numBins: 1, ...o } as never) as Result },
  {
    name: 'margin',
    slope: 8,
    run: (x, y, o) => hs.marginLoss(x, y, Float32Array.of(1.1), { nu: 0.1, ...o } as never) as Result,
  },
  {
    name: 'margin of raw rows, one boundary a class',
    slope: 8,
    run: (x, y, o) => hs.marginLoss(x, folded(y), boundaries, { normalize: false, ...o } as never) as Result,
  },
  { name: 'histogram', slope: 20, run: (x, y, o) => hs.histogramLoss(x, y, { numBins: 10, ...o } as never) as Result },
  { name: 'histogram of one bin', slope: 4, run: (x, y, o) => hs.histogramLoss(x, y, { numBins: 1, ...o } as never) as Result },
  ...contrastive,
];

const labelings: Record<string, (n: number) => Int32Array> = {
  'one class': (n) => new Int32Array(n).fill(-7),
  'all distinct': (n) => Int32Array.from({ length: n }, (_, i) => n - i),
  'four a class': (n) => Int32Array.from({ length: n }, (_, i) => (i * 7) % Math.ceil(n / 4)),
  unbalanced: (n) => Int32Array.from({ length: n }, (_, i) => Math.floor(Math.sqrt((i * 7) % n)) - 3),
};
const shapes = [
  [1, 3],
  [2, 3],
  [15, 17],
  [16, 128],
  [17, 3],
  [255, 17],
].filter((shape): shape is [number, number] => (shape[0] as number) <= mostRows);

/** The first `large` rows are of class 0. */
function memoryOf(rows: number, d: number, large = 0): hs.CrossBatchMemory {
  const memory = new hs.CrossBatchMemory({ capacity: rows, dim: d });
  const labels = Int32Array.from({ length: rows }, (_, i) => (i < large ? 0 : (i * 5) % 11));
  memory.enqueue(normalMatrix(rows, d, 77), labels);
  return memory;
}

const known = new Map<string, Result>();
/** Of the TypeScript backend, once for all levels. */
function expectedOf(key: string, run: () => Result): Result {
  const found = known.get(key);
  if (found) return found;
  hs.setBackend('ts');
  try {
    const result = run();
    known.set(key, result);
    return result;
  } finally {
    hs.setBackend('native');
  }
}

const lengths = ({ data, shape: [n, d] }: hs.Matrix): number[] =>
  Array.from({ length: n }, (_, i) => Math.hypot(...data.subarray(i * d, (i + 1) * d)));

/**
 * A similarity of unit rows is wrong by (d + 8) roundings, its exponential by `slope` times as many and a few of its own, and a sum of
 * float32 terms by 64; a gradient adds up rows with such coefficients, as many as there are columns.
 */
function expectSame(got: Result, expected: Result, x: hs.Matrix, columns: number, slope: number, what: string, lost = 0): void {
  const [, d] = x.shape;
  const relative = (slope * (d + 8) + 64) * roundoff + lost;
  const near = (a: number, b: number, size: number) => Object.is(a, b) || Math.abs(a - b) <= relative * size;
  const rows = lengths(x);
  // Raw rows are compared as far as they are long.
  const size = Math.max(1, ...rows) ** 2 * Math.max(1, Math.abs(expected.loss));
  expect(near(got.loss, expected.loss, size), `${what}: ${got.loss} for ${expected.loss}`).toBe(true);
  const [mine, theirs] = [got.perExample, expected.perExample];
  if (mine && theirs) expectWithin(mine, theirs, (i) => relative * Math.max(1, Math.abs(theirs[i] as number)), `${what}: per example`);
  const gradient = expected.gradEmbeddings.data;
  const most = Math.max(0, ...lengths(expected.gradEmbeddings).map((length, i) => length * (rows[i] as number)));
  const limit = (at: number) =>
    (relative + 2 * columns * roundoff) * 2 * (most / Math.max(rows[Math.floor(at / d)] as number, 1e-12)) + 2 ** -126;
  expectWithin(got.gradEmbeddings.data, gradient, limit, `${what}: gradient`);
  // A count of terms over their number.
  if (expected.gradBeta) expectWithin(got.gradBeta as Float32Array, expected.gradBeta, () => 4 * roundoff, `${what}: boundaries`);
}

describeLevels('losses over pairs', () => {
  it.each(cases)('$name', ({ name, slope, run }) => {
    resetServed();
    let at = 0;
    for (const [n, d] of shapes) {
      for (const [labeling, labelsOf] of Object.entries(labelings)) {
        const [x, labels] = [normalMatrix(n, d, 1 + (at % 5)), labelsOf(n)];
        for (const memory of [undefined, memoryOf(37, d)]) {
          hs.setThreads((at++ % 3) + 1);
          const what = `${name}, ${labeling} of ${n}, ${d}${memory ? ' and a memory' : ''}`;
          const options = memory ? { memory } : {};
          const expected = expectedOf(what, () => run(x, labels, options));
          resetServed();
          const got = run(x, labels, options);
          expect(servedBy()).toEqual(['native']);
          expectSame(got, expected, x, n + (memory?.size ?? 0), slope, what);
          const without = run(x, labels, { ...options, gradients: false });
          expect([without.loss, without.perExample]).toEqual([got.loss, got.perExample]);
        }
      }
    }
  });

  it.each(cases)('$name over more blocks than one', ({ name, slope, run }) => {
    const [n, d] = [530, 5];
    const [x, labels] = [normalMatrix(n, d, 3), (labelings['four a class'] as (n: number) => Int32Array)(n)];
    hs.setThreads(2);
    expectSame(
      run(x, labels),
      expectedOf(`${name}, blocks`, () => run(x, labels)),
      x,
      n,
      slope,
      name,
    );
  });

  it.each(cases)('$name of rows that are no numbers, zero, equal or nearly so', ({ name, slope, run }) => {
    const [n, d] = [20, 6];
    const labels = Int32Array.from({ length: n }, (_, i) => i % 4);
    const odd: Record<string, (x: Float32Array) => void> = {
      NaN: (x) => x.fill(Number.NaN, 0, 1),
      infinity: (x) => x.fill(Number.POSITIVE_INFINITY, 2 * d, 2 * d + 1),
      zero: (x) => x.fill(0, d, 2 * d),
      'too short for a unit row': (x) => x.forEach((value, i) => i < d && (x[i] = value * 1e-13)),
      equal: (x) => x.copyWithin(4 * d, 0, d).copyWithin(8 * d, 0, d),
      near: (x) => {
        x.copyWithin(4 * d, 0, d).copyWithin(d, 0, d);
        x[4 * d] = (x[4 * d] as number) * (1 + 2 ** -9);
        x[d] = (x[d] as number) * (1 - 2 ** -10);
      },
    };
    for (const [kind, change] of Object.entries(odd)) {
      const x = normalMatrix(n, d, 9);
      change(x.data);
      const [got, expected] = [run(x, labels), expectedOf(`${name}, ${kind}`, () => run(x, labels))];
      if (Number.isFinite(expected.loss)) {
        // Of near rows the direction between them keeps as many digits as it has beyond those of unit rows.
        expectSame(got, expected, x, n, slope, `${name}, ${kind}`, kind === 'near' ? 2 ** -24 / 2 ** -12 : 0);
      } else {
        // Beside an infinite loss no gradient means anything; with an undefined one all of it is.
        expect(got.loss, kind).toBe(expected.loss);
        if (!Number.isNaN(got.loss)) continue;
        for (const all of [got.gradEmbeddings.data, got.perExample, got.gradBeta])
          expect(all?.every(Number.isNaN) ?? true, kind).toBe(true);
      }
    }
    // One row takes part in nothing, whatever it holds.
    const alone = hs.matrix(Float32Array.of(Number.NaN, 1, 2), 3);
    expect(run(alone, Int32Array.of(1))).toEqual(expectedOf(`${name}, alone`, () => run(alone, Int32Array.of(1))));
  });
});

describeNative('angular of a class that no block holds', () => {
  afterAll(() => hs.setIsa(levels.at(-1) as hs.Isa));

  // Blocks have 256 rows: of the batch, and of the memory's rows whose class is in it.
  it('as the reference, and with the same bits', () => {
    const [n, d, rows] = [Math.min(530, 2 * mostRows), 3, 300];
    const x = normalMatrix(n, d, 4);
    const labels = Int32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 0 : i >> 2));
    const options = { memory: memoryOf(rows, d, rows) };
    const run = () => hs.angularLoss(x, labels, options) as Result;
    const expected = expectedOf('large class', run);
    const runs = levels.flatMap((isa) => {
      hs.setIsa(isa);
      return [1, 2, 3, 8].map((threads) => {
        hs.setThreads(threads);
        const got = run();
        expectSame(got, expected, x, n + rows, 12, `${isa}, ${threads} threads`);
        return { isa, loss: got.loss, bits: bitsText(got.gradEmbeddings.data) };
      });
    });
    const fused = runs.filter(({ isa }) => isa !== 'baseline').map(({ loss, bits }) => ({ loss, bits }));
    for (const other of fused) expect(other).toEqual(fused[0]);
  }, 60_000);
});

/** Rows of four classes, `spread` about an axis each. */
function converged(spread: number): { x: hs.Matrix; labels: Int32Array } {
  const x = normalMatrix(8, 8, 21, spread);
  const labels = Int32Array.from({ length: 8 }, (_, i) => i >> 1);
  for (let i = 0; i < 8; i++) x.data[i * 8 + (i >> 1)] = 1;
  return { x, labels };
}

describeLevels('losses over pairs at their limits', () => {
  it.each([
    { epsilon: 0.1, beta: 200, base: -0.5 },
    { epsilon: 0.1, beta: 100, base: -1 },
    { epsilon: 0.1, alpha: 200, base: 1.5 },
  ])('multiSimilarity of which mining leaves nothing: %o', (options) => {
    const { x, labels } = converged(0.02);
    const run = () => hs.multiSimilarityLoss(x, labels, options);
    const expected = expectedOf(`converged ${JSON.stringify(options)}`, run as () => Result);
    expect(expected.loss).toBe(0);
    expect(run()).toEqual(expected);
  });

  it('a row alone, whatever it holds, in a triplet loss', () => {
    for (const mining of ['all', 'batchHard'] as const) {
      for (const normalize of [true, false]) {
        const run = () => hs.batchTripletLoss(hs.matrix(Float32Array.of(Number.NaN, 1), 2), [3], { mining, normalize });
        const nothing = { loss: 0, numTriplets: 0, numActive: 0, fractionActive: 0 };
        expect(run()).toMatchObject(nothing);
        expect(run().gradEmbeddings.data).toEqual(new Float32Array(2));
        expect(run()).toEqual(expectedOf(`alone ${mining} ${normalize}`, run as never));
      }
    }
  });
});

describeNative('nca of raw rows', () => {
  it.each([1e18, 1e19, Number.POSITIVE_INFINITY])('of a length of %d', (length) => {
    const x = normalMatrix(12, 4, 3);
    const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);
    x.data[5] = length;
    const memory = memoryOf(3, 4);
    const run = () => hs.ncaLoss(x, labels, { scale: 2, normalize: false, memory });
    hs.setBackend('native');
    resetServed();
    const got = run();
    // Components to 2⁶¹ leave the distances' squares, four components each, within 2¹²⁶.
    expect(servedBy()).toEqual([length < 1e19 ? 'native' : 'ts']);
    const expected = expectedOf(`long ${length}`, run);
    if (Number.isFinite(expected.loss)) expect(got.loss / expected.loss).toBeCloseTo(1, 5);
    else expect(got.loss).toBe(expected.loss);
  });
});

describeNative('losses over pairs', () => {
  afterAll(() => hs.setIsa(levels.at(-1) as hs.Isa));

  it.each(cases)('$name has the same bits at every level with fused arithmetic and on any number of threads', ({ run }) => {
    for (const [n, d, rows] of [
      [257, 17, 0],
      [130, 128, 61],
      [530, 3, 0],
    ] as const) {
      const [x, labels] = [normalMatrix(n, d, 5), (labelings['unbalanced'] as (n: number) => Int32Array)(n)];
      const options = rows ? { memory: memoryOf(rows, d) } : {};
      const runs = levels
        .filter((isa) => isa !== 'baseline')
        .flatMap((isa) => {
          hs.setIsa(isa);
          return [1, 2, 3, 8].map((threads) => {
            hs.setThreads(threads);
            const { loss, perExample, gradEmbeddings, gradBeta } = run(x, labels, options);
            return [loss, perExample && bitsText(perExample), bitsText(gradEmbeddings.data), gradBeta && bitsText(gradBeta)];
          });
        });
      for (const other of runs.slice(1)) expect(other).toEqual(runs[0]);
    }
  });
});
