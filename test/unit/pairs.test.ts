import { describe, expect, it } from 'vitest';
import {
  batchContrastiveLoss,
  batchTripletLoss,
  Centers,
  centerLoss,
  contrastiveLoss,
  info,
  matrix,
  minePairs,
  mineTriplets,
  supConLoss,
  tripletLoss,
  updateCenters,
} from '../../lib/index.js';
import { tripletStrategies } from '../../lib/ops/pairs.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { sumTolerance } from '../helpers/tolerance.js';

const line = (...positions: number[]) => matrix(Float32Array.from(positions), 1);
const raw = { normalize: false } as const;

describe('contrastive loss in the form of the survey', () => {
  it('is Σ[y d² + (1 − y)·max(0, m − d)²] / 2N', () => {
    const { loss, perExample } = contrastiveLoss(line(0, 0, 0), line(2, 0.5, 3), [1, 0, 0], { margin: 1 });
    expect(loss).toBeCloseTo((4 + 0.25) / 6, 6);
    expect([...perExample]).toEqual([2, 0.125, 0]);
  });
  it('has gradient 0 where the two rows are one', () => {
    const { gradX1, loss } = contrastiveLoss(line(1, 1), line(1, 1), [1, 0], { margin: 1 });
    expect(loss).toBe(0.25);
    expect(gradX1?.data).toEqual(Float32Array.of(0, 0));
  });
});

describe('triplet loss in the form of the survey', () => {
  it('is the mean over all rows, zeros included', () => {
    expect(tripletLoss(line(0, 0), line(1, 1), line(1, 9), { margin: 0.5 }).loss).toBe(0.25);
    expect(tripletLoss(line(0, 0), line(1, 1), line(1, 9), { margin: 0.5, reduction: 'sum' }).loss).toBe(0.5);
  });
  it('sums the gradient of a row in float64', () => {
    // The anchor's is 2(n − p), the difference of two numbers of 20,000: float32 would keep a digit of it.
    const [a, p, n] = [10000.1, 0.0003, 0.0015].map(Math.fround) as [number, number, number];
    expect(tripletLoss(line(a), line(p), line(n), { margin: 1e5 }).gradAnchor.data[0]).toBe(Math.fround(2 * (a - p) - 2 * (a - n)));
  });
  it('has norms of any exponent without over- or underflow', () => {
    for (const p of [1, 2, 3, 60, 1000]) {
      for (const size of [1e-30, 1e-3, 1e4, 1e30].map(Math.fround)) {
        const options = { distance: 'euclidean', p, margin: 0 } as const;
        const { loss, gradPositive } = tripletLoss(line(0), line(size), line(0), options);
        expect(loss).toBe(size);
        expect(gradPositive.data[0]).toBe(1);
      }
    }
    const corner = matrix(Float32Array.of(1e4, 1e4), 2);
    const zero = matrix(new Float32Array(2), 2);
    expect(tripletLoss(zero, corner, zero, { distance: 'euclidean', p: 100, margin: 0 }).loss).toBeCloseTo(1e4 * 2 ** 0.01, 6);
  });
});

describe('batches without what a loss needs', () => {
  const x = normalMatrix(4, 2, 1);
  const batches = { 'one class': [1, 1, 1, 1], 'all classes distinct': [1, 2, 3, 4] };
  it.each(Object.entries(batches))('%s: triplet loss 0, gradient 0, no triplets', (_name, labels) => {
    for (const strategy of tripletStrategies) {
      const { loss, numTriplets, fractionActive, gradEmbeddings } = batchTripletLoss(x, labels, { mining: strategy });
      expect([loss, numTriplets, fractionActive]).toEqual([0, 0, 0]);
      expect(gradEmbeddings?.data).toEqual(new Float32Array(8));
      expect(mineTriplets(x, labels, { strategy })).toEqual({ data: new Int32Array(0), shape: [0, 3] });
    }
  });
  it('an empty batch and a batch of one are fine', () => {
    expect(batchContrastiveLoss(matrix(new Float32Array(0), 2), []).loss).toBe(0);
    expect(batchTripletLoss(normalMatrix(1, 2, 1), [0]).loss).toBe(0);
  });
  it('one positive and one negative pair still make a loss', () => {
    expect(batchContrastiveLoss(line(0, 1, 1.2), [0, 0, 1], { ...raw, posMargin: 0, negMargin: 1 }).loss).toBeGreaterThan(0);
  });
});

describe('mining on a line', () => {
  // anchors 0 and 1 of class 7, negatives at 1.5 and 4
  const x = line(0, 1, 1.5, 4);
  const labels = [7, 7, 8, 9];
  const mine = (strategy: (typeof tripletStrategies)[number], margin = 1): number[] => [
    ...mineTriplets(x, labels, { ...raw, strategy, margin }).data,
  ];
  it('follows each published definition', () => {
    expect(mine('all')).toEqual([0, 1, 2, 0, 1, 3, 1, 0, 2, 1, 0, 3]);
    expect(mine('semiHard')).toEqual([0, 1, 2]);
    expect(mine('hard')).toEqual([1, 0, 2]);
    expect(mine('easy')).toEqual([0, 1, 3, 1, 0, 3]);
    expect(mine('violating')).toEqual([0, 1, 2, 1, 0, 2]);
    expect(mine('batchHard')).toEqual([0, 1, 2, 1, 0, 2]);
    expect(mine('semiHardClosest')).toEqual([0, 1, 2, 1, 0, 3]);
    expect(mine('hardestViolating')).toEqual([0, 1, 2]);
    expect(mine('faceNetSemiHard')).toEqual([0, 1, 2]);
  });
  it('finds the hard pairs', () => {
    const { positivePairs, negativePairs } = minePairs(x, labels, { ...raw, strategy: 'batchHard', distance: 'euclidean' });
    // Rows 2 and 3 have no positive; every row has its closest negative.
    expect(positivePairs).toEqual({ data: Int32Array.of(0, 1, 1, 0), shape: [2, 2] });
    expect(negativePairs).toEqual({ data: Int32Array.of(0, 2, 1, 2, 2, 1, 3, 2), shape: [4, 2] });
  });
  it('breaks ties to the lowest index', () => {
    expect([...mineTriplets(line(0, 1, -1, 2, -2), [0, 0, 0, 1, 2], { ...raw, strategy: 'batchHard' }).data].slice(0, 3)).toEqual([
      0, 1, 3,
    ]);
  });
});

describe('batchTripletLoss', () => {
  it.each(tripletStrategies)('%s equals the loss over the mined triplets', (mining) => {
    const x = normalMatrix(12, 3, 5);
    const labels = cyclicLabels(12, 4);
    const options = { ...raw, distance: 'euclidean', margin: 0.6, seed: 3 } as const;
    const { data, shape } = mineTriplets(x, labels, { ...options, strategy: mining });
    const row = (i: number): number[] => [...x.data.subarray(i * 3, i * 3 + 3)];
    const apart = (i: number, j: number): number => Math.hypot(...row(i).map((v, k) => v - (row(j)[k] as number)));
    let [sum, size] = [0, 0];
    for (let t = 0; t < shape[0]; t++) {
      const [a, p, n] = data.subarray(3 * t, 3 * t + 3) as unknown as [number, number, number];
      sum += Math.max(0, apart(a, p) - apart(a, n) + 0.6);
      size += apart(a, p) + apart(a, n);
    }
    const result = batchTripletLoss(x, labels, { ...options, mining, reduction: 'sum' });
    expect(result.numTriplets).toBe(shape[0]);
    expect(Math.abs(result.loss - sum)).toBeLessThanOrEqual(sumTolerance(3, size));
  });
});

describe('supConLoss', () => {
  it('is the log of the negatives against one perfect positive, and 0 where a row lacks either', () => {
    // Rows 0 and 1 coincide, row 2 is orthogonal and alone in its class: log(e¹ + e⁰) − 1 for the pair, nothing for row 2.
    const x = matrix(Float32Array.of(1, 0, 2, 0, 0, 3), 2);
    const { loss, perExample } = supConLoss(x, [5, 5, 6], { temperature: 1 });
    expect(loss).toBeCloseTo(Math.log(Math.E + 1) - 1, info().backend === 'native' ? 6 : 12);
    expect(perExample[2]).toBe(0);
    expect(supConLoss(x, [5, 5, 5]).loss).toBe(0);
    expect(supConLoss(x, [5, 6, 7]).gradEmbeddings?.data).toEqual(new Float32Array(6));
    expect(supConLoss(matrix(new Float32Array(0), 2), []).loss).toBe(0);
  });
  it('survives small temperatures, zero rows and duplicates', () => {
    const { loss, gradEmbeddings } = supConLoss(line(0, 0, 1, 1), [1, 1, 1, 2], { temperature: 1e-3 });
    expect(Number.isFinite(loss)).toBe(true);
    expect(gradEmbeddings?.data.every(Number.isFinite)).toBe(true);
  });
});

describe('centers', () => {
  it('move by the rule of Wen et al., from where they were', () => {
    const centers = line(0, 10, 5);
    updateCenters(line(2, 4, 9), [0, 0, 1], centers, { alpha: 0.5 });
    expect([...centers.data]).toEqual([1, 9.75, 5]);
  });
  it('get a gradient where it is asked for, by the option or by an out for it', () => {
    const [x, centers] = [line(3, 5), line(1, 2)];
    expect(Object.keys(centerLoss(x, [0, 1], centers))).not.toContain('gradCenters');
    const { gradCenters } = centerLoss(x, [0, 1], centers, { gradCenters: true });
    const out = { gradCenters: line(Number.NaN, Number.NaN) };
    expect(centerLoss(x, [0, 1], centers, { out }).gradCenters).toEqual(gradCenters);
    expect(gradCenters?.data).toEqual(Float32Array.of(-1, -1.5));
  });
  it('are owned by Centers, whose loss equals centerLoss', () => {
    const centers = new Centers({ classes: 2, dim: 1, alpha: 1 });
    const x = line(3, 5);
    expect(centers.loss(x, [0, 1]).loss).toBe(centerLoss(x, [0, 1], line(0, 0)).loss);
    const options = { reduction: 'halfSum', gradCenters: true } as const;
    expect(centers.loss(x, [0, 1], options)).toEqual(centerLoss(x, [0, 1], line(0, 0), options));
    centers.update(x, [0, 1]);
    expect([...centers.matrix.data]).toEqual([1.5, 2.5]);
  });
  it('with α = 0 stay', () => {
    const centers = line(1, 2);
    updateCenters(line(5), [0], centers, { alpha: 0 });
    expect([...centers.data]).toEqual([1, 2]);
  });
});
