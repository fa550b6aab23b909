// What single losses over the pairs of a batch promise of their native forms: where float32 has no room the reference serves; values on a node, bins
// without number, positives nearly parallel, a boundary for each class.
import { expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import * as hs from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeLevels, mostRows } from '../helpers/native.js';
import { expectWithin, roundoff } from '../helpers/tolerance.js';

type Result = hs.BatchLossResult & { readonly gradBeta?: Float32Array };

function onReference<Value>(run: () => Value): Value {
  hs.setBackend('ts');
  try {
    return run();
  } finally {
    hs.setBackend('native');
  }
}

/** By the lengths of its rows, which may be a sum of terms that cancel. */
function expectGradient(got: hs.Matrix, expected: hs.Matrix, relative: number): void {
  const most = Math.max(...expected.data.map(Math.abs));
  expectWithin(got.data, expected.data, () => relative * most, 'gradient');
}

describeLevels('forms of losses over pairs', () => {
  const x = normalMatrix(24, 6, 31);
  const labels = cyclicLabels(24, 6);
  const beta = (...values: number[]) => Float32Array.from(values);

  it.each<[string, () => Result]>([
    ['a scale beyond float32', () => hs.tupletMarginLoss(x, labels, { s: 1e200 })],
    ['a scale near its end', () => hs.tupletMarginLoss(x, labels, { s: 2 ** 127 })],
    ['a scale below it', () => hs.tupletMarginLoss(x, labels, { s: 1e-200 })],
    ['temperatures whose products are beyond it', () => hs.rankedListLoss(x, labels, { tNeg: 1e30 })],
    ['an alpha beyond it', () => hs.rankedListLoss(x, labels, { alpha: 1e60 })],
    ['a margin beyond it', () => hs.marginLoss(x, labels, beta(1), { margin: 1e60 })],
    ['a temperature below it (supConLoss)', () => hs.supConLoss(x, labels, { temperature: 1e-40 })],
    ['a temperature below it (ntXentLoss)', () => hs.ntXentLoss(x, labels, { temperature: 1e-40 })],
    ['a temperature below it (pnpLoss)', () => hs.pnpLoss(x, labels, { anneal: 1e-40 })],
    ['a gamma beyond it', () => hs.circleLoss(x, labels, { gamma: 1e60 })],
    ['an m beyond it', () => hs.circleLoss(x, labels, { m: 1e38 })],
    ['an alpha beyond it (multiSimilarityLoss)', () => hs.multiSimilarityLoss(x, labels, { alpha: 1e60 })],
    ['a beta beyond it', () => hs.multiSimilarityLoss(x, labels, { beta: 1e60 })],
    ['a scale beyond it (ncaLoss)', () => hs.ncaLoss(x, labels, { scale: 1e60 })],
    ['a boundary at infinity', () => hs.marginLoss(x, labels, beta(Number.POSITIVE_INFINITY))],
    ['a boundary that is no number', () => hs.marginLoss(x, labels, beta(1, 1, Number.NaN, 1, 1, 1))],
  ])("%s is the reference's", (_name, run) => {
    const expected = onReference(run);
    resetServed();
    expect(run()).toEqual(expected);
    expect(servedBy()).toEqual(['ts']);
  });

  it.each<[string, () => Result]>([
    ['tupletMarginLoss', () => hs.tupletMarginLoss(x, labels, { s: 1e30 })],
    ['tcmLoss', () => hs.tcmLoss(x, labels, { lambdaPlus: 1e60, lambdaMinus: 1e-60 })],
    ['rankedListLoss', () => hs.rankedListLoss(x, labels, { tPos: 1e6, tNeg: 1e12 })],
    ['rankedListLoss far from its boundary', () => hs.rankedListLoss(x, labels, { alpha: 1e6, margin: 1, tNeg: 20 })],
  ])('%s with great numbers', (_name, run) => {
    const expected = onReference(run);
    resetServed();
    const got = run();
    expect(servedBy()).toEqual(['native']);
    expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual(1e-5 * Math.abs(expected.loss));
    if (Number.isFinite(Math.max(...expected.gradEmbeddings.data.map(Math.abs)))) {
      expectGradient(got.gradEmbeddings, expected.gradEmbeddings, 1e-4);
    }
  });

  it.each([2 ** -60, 2 ** -35, 2 ** -10, 2 ** 30, 2 ** 55, 2 ** 100])('gradients of snr of raw rows of size %d', (size) => {
    const rows = hs.matrix(
      x.data.map((value) => value * size),
      6,
    );
    const losses = [
      () => hs.batchContrastiveLoss(rows, labels, { distance: 'snr', normalize: false, negMargin: 3 }),
      () => hs.batchTripletLoss(rows, labels, { distance: 'snr', normalize: false, mining: 'all', margin: 1 }),
      () => hs.batchTripletLoss(rows, labels, { distance: 'snr', normalize: false, mining: 'all', margin: 1, swap: true }),
    ];
    for (const run of losses) {
      const expected = onReference(run);
      resetServed();
      expectGradient(run().gradEmbeddings, expected.gradEmbeddings, 1e-5);
      expect(servedBy()).toEqual([size >= 2 ** -10 && size <= 2 ** 30 ? 'native' : 'ts']);
    }
  });

  // Not at a margin of 1: the snr between a unit row and one of next to no length is exactly that, and rounding would decide.
  it.each([1e-18, 1e-20, 1e-21, 1e-30])(
    'gradients of snr of unit rows that are too short to be, at %d, and of others beside them',
    (size) => {
      for (const every of [1, 3]) {
        const rows = hs.matrix(
          x.data.map((value, k) => (((k / 6) | 0) % every === 0 ? value * size : value)),
          6,
        );
        const run = () => hs.batchContrastiveLoss(rows, labels, { distance: 'snr', negMargin: 3 });
        const [got, expected] = [run(), onReference(run)];
        expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual(1e-6 * expected.loss);
        // Each row's by itself: those of the short ones are 1e18 times as long.
        for (let i = 0; i < 24; i++) {
          const row = ({ gradEmbeddings: { data } }: typeof got) => hs.matrix(data.slice(i * 6, i * 6 + 6), 6);
          expectGradient(row(got), row(expected), 1e-4);
        }
      }
    },
  );

  it.each([1.01e-12, 0.999e-12, 0.8e-12, 0.5e-12])('pnp of a row of length %d, about the one that rows are divided by', (length) => {
    const rows = hs.normalize(x);
    for (let k = 0; k < 6; k++) rows.data[k] = (rows.data[k] as number) * length;
    const run = () => hs.pnpLoss(rows, labels, { anneal: 0.5 });
    expectGradient(run().gradEmbeddings, onReference(run).gradEmbeddings, 64 * roundoff);
  });

  it('soft histograms of values on their nodes', () => {
    // Cosines 1, 0 and −1, squared distances 0, 2 and 4: nodes of an even number of bins.
    const axes = hs.matrix(Float32Array.of(1, 0, 0, 2, 3, 0, -4, 0, 0, 0, 0, -1), 2);
    const classes = [4, 4, 5, 6, 6, 5];
    for (const numBins of [2, 4, 10, 50, 98, 100, 65536]) {
      for (const run of [() => hs.histogramLoss(axes, classes, { numBins }), () => hs.fastApLoss(axes, classes, { numBins })]) {
        const [got, expected] = [run(), onReference(run)];
        expect(Math.abs(got.loss - expected.loss), `${numBins} bins`).toBeLessThanOrEqual(16 * roundoff);
        expectGradient(got.gradEmbeddings, expected.gradEmbeddings, 64 * roundoff);
      }
    }
  });

  it('soft histograms of many bins', () => {
    // The slopes are those of single pairs; here only the losses are comparable.
    for (const numBins of [1000, 65536]) {
      for (const run of [() => hs.histogramLoss(x, labels, { numBins }), () => hs.fastApLoss(x, labels, { numBins })]) {
        resetServed();
        const got = run();
        expect(servedBy()).toEqual(['native']);
        // A value is wrong by some 14 roundings, in bins of 2/numBins.
        expect(Math.abs(got.loss - onReference(run).loss), `${numBins} bins`).toBeLessThanOrEqual(14 * roundoff * numBins);
      }
    }
  });

  it('a negative pair counts in a histogram where either of its rows has a positive', () => {
    const rows = Math.min(90, mostRows);
    const batch = normalMatrix(rows, 4, 33);
    const memory = new hs.CrossBatchMemory({ capacity: 7, dim: 4 });
    memory.enqueue(normalMatrix(7, 4, 34), Int32Array.of(3, 104, 110, -1, -1, 1000, 1001));
    // Pairs, rows alone, rows whose positives are all in the memory.
    const mixed = Int32Array.from({ length: rows }, (_, i) => (i % 3 === 0 ? i >> 3 : 100 + i));
    for (const options of [{ numBins: 6 }, { numBins: 6, memory }]) {
      const run = () => hs.histogramLoss(batch, mixed, options);
      const [got, expected] = [run(), onReference(run)];
      expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual(128 * roundoff);
      expectGradient(got.gradEmbeddings, expected.gradEmbeddings, 1e-4);
    }
  });

  it.each([0.1, 1, 3])('tuplet margins of %s about positives that are nearly parallel, or opposite', (margin) => {
    for (const apart of [2 ** -4, 2 ** -7, 2 ** -10]) {
      const near = normalMatrix(12, 8, 35);
      for (let i = 0; i < 12; i += 2) {
        for (let k = 0; k < 8; k++) {
          const value = near.data[i * 8 + k] as number;
          near.data[(i + 1) * 8 + k] = (i % 4 === 0 ? 1 : -1) * value + apart * (near.data[((i + 4) % 12) * 8 + k] as number);
        }
      }
      const run = () =>
        hs.tupletMarginLoss(
          near,
          cyclicLabels(12, 12).map((i) => i >> 1),
          { margin, s: 8 },
        );
      const [got, expected] = [run(), onReference(run)];
      expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual(512 * roundoff * Math.max(1, expected.loss));
      // The direction between such rows has as many digits as they are apart.
      expectGradient(got.gradEmbeddings, expected.gradEmbeddings, (64 * roundoff) / apart);
    }
  });

  it.each([
    [1, 1],
    [-1, -1],
    [1, -1],
    [-1, 1],
  ])('tcm of rows that coincide or oppose, at margins of %d and %d', (marginPlus, marginMinus) => {
    const rows = normalMatrix(24, 19, 37);
    for (let i = 1; i < 24; i++)
      if (i % 4 !== 0)
        rows.data.set(
          rows.data.subarray((i - 1) * 19, i * 19).map((v) => (i % 4 === 3 ? -v : v)),
          i * 19,
        );
    for (const classes of [cyclicLabels(24, 5), cyclicLabels(24, 24).map((i) => i >> 2), cyclicLabels(24, 24)]) {
      const run = () => hs.tcmLoss(rows, classes, { marginPlus, marginMinus, lambdaMinus: 2 });
      const [got, expected] = [run(), onReference(run)];
      expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual(32 * roundoff);
      expectWithin(got.gradEmbeddings.data, expected.gradEmbeddings.data, () => 32 * roundoff, 'gradient');
      // By definition every positive is at most 1 alike, every negative at least −1.
      let [own, others] = [0, 0];
      const s = hs.distances(rows, rows, { metric: 'cosineSimilarity' }).data;
      const pairs = (positive: boolean) =>
        [...s.keys()].filter((p) => (classes[p % 24] === classes[(p / 24) | 0]) === positive && p % 25 !== 0);
      if (marginPlus === 1) own = pairs(true).reduce((sum, p) => sum + 1 - (s[p] as number), 0) / Math.max(pairs(true).length, 1);
      if (marginMinus === -1) others = pairs(false).reduce((sum, p) => sum + 1 + (s[p] as number), 0) / Math.max(pairs(false).length, 1);
      expect(Math.abs(got.loss - (own + 2 * others))).toBeLessThanOrEqual(64 * roundoff);
    }
  });

  it.each([1e-1, 1e-2, 1e-3, 1e-4])(
    'rows that are alike at a temperature of %d: off by the rounding of their cosines over it, and no more',
    (temperature) => {
      const rows = normalMatrix(64, 16, 38, 0.03);
      const center = normalMatrix(1, 16, 39).data;
      for (let k = 0; k < rows.data.length; k++) rows.data[k] = (rows.data[k] as number) + (center[k % 16] as number);
      const classes = cyclicLabels(64, 16);
      for (const run of [
        () => hs.ntXentLoss(rows, classes, { temperature }),
        () => hs.supConLoss(rows, classes, { temperature }),
        () => hs.multiSimilarityLoss(rows, classes, { alpha: 1 / temperature, beta: 1 / temperature }),
      ]) {
        const [got, expected] = [run(), onReference(run)];
        expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual((2 * roundoff) / temperature);
        expectGradient(got.gradEmbeddings, expected.gradEmbeddings, 256 * roundoff + (4 * roundoff) / temperature);
      }
    },
  );

  it('boundaries of classes that anchor nothing keep still, and those of a memory have none', () => {
    const memory = new hs.CrossBatchMemory({ capacity: 3, dim: 6 });
    memory.enqueue(normalMatrix(3, 6, 36), Int32Array.of(900, 2, -4));
    const boundaries = Float32Array.from({ length: 8 }, (_, t) => 0.9 + t / 16);
    const some = labels.map((label) => (label === 5 ? 7 : label));
    for (const options of [{}, { memory }]) {
      const run = () => hs.marginLoss(x, some, boundaries, options);
      const [got, expected] = [run(), onReference(run)];
      expectWithin(got.gradBeta, expected.gradBeta, () => 4 * roundoff, 'boundaries');
      expect([got.gradBeta[5], got.gradBeta[6]]).toEqual([0, 0]);
      expect(hs.marginLoss(x, some, boundaries, { ...options, gradients: false })).toEqual({ loss: got.loss });
    }
    expect(() => hs.marginLoss(x, labels, beta(1, 1))).toThrow(hs.HypersphereError);
  });
});
