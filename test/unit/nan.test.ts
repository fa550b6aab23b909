// A network that diverged must show: whatever NaN could have taken part in a loss makes it, and its gradients, NaN.
import { describe, expect, it } from 'vitest';
import {
  batchContrastiveLoss,
  batchTripletLoss,
  contrastiveLoss,
  hardmaxHingeLoss,
  hardmaxLoss,
  type Matrix,
  matrix,
  mineTriplets,
  softmaxCrossEntropy,
  supConLoss,
  tripletLoss,
} from '../../lib/index.js';
import { pairDistances, tripletStrategies } from '../../lib/ops/pairs.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

const { NaN: nan } = Number;
const allNaN = (grad: Matrix): boolean => grad.data.length > 0 && grad.data.every(Number.isNaN);
const row = (...values: number[]): Matrix => matrix(Float32Array.from(values), values.length);

describe.each(pairDistances)('batch losses on %s', (distance) => {
  const labels = cyclicLabels(6, 2);
  const one = normalMatrix(6, 3, 1);
  one.data[4] = nan;
  const batches = { 'one NaN': one, 'nothing but NaN': matrix(new Float32Array(18).fill(nan), 3) };
  it.each(Object.entries(batches))('%s', (_name, x) => {
    for (const reduction of ['mean', 'sum', 'meanPositive'] as const) {
      for (const mining of tripletStrategies) {
        const { loss, gradEmbeddings } = batchTripletLoss(x, labels, { mining, distance, reduction });
        expect(loss, mining).toBeNaN();
        expect(allNaN(gradEmbeddings), mining).toBe(true);
      }
      const { loss, gradEmbeddings } = batchContrastiveLoss(x, labels, { distance, reduction });
      expect(loss).toBeNaN();
      expect(allNaN(gradEmbeddings)).toBe(true);
    }
    const { loss, gradEmbeddings } = supConLoss(x, labels);
    expect(loss).toBeNaN();
    expect(allNaN(gradEmbeddings)).toBe(true);
  });
  it('a miner passes over it', () => {
    const { data } = mineTriplets(one, labels, { distance, strategy: 'batchHard' });
    expect(data.length).toBeGreaterThan(0);
    for (let t = 0; t < data.length; t += 3) expect([...data.subarray(t + 1, t + 3)]).not.toContain(1);
  });
});

describe('losses over given rows', () => {
  const [good, bad] = [matrix(Float32Array.of(1, 2, 3, 4), 2), matrix(Float32Array.of(0.5, 2, nan, 4), 2)];
  it.each([0, 1])('contrastiveLoss, same %i', (same) => {
    const { loss, perExample, gradX1, gradX2 } = contrastiveLoss(good, bad, [same, same], { margin: 9 });
    expect(loss).toBeNaN();
    expect([...perExample].map(Number.isNaN)).toEqual([false, true]);
    for (const grad of [gradX1, gradX2]) expect([...grad.data].map(Number.isNaN)).toEqual([false, false, true, true]);
  });
  it.each(['squaredEuclidean', 'euclidean'] as const)('tripletLoss on %s', (distance) => {
    for (const [a, p, n] of [
      [bad, good, good],
      [good, bad, good],
      [good, good, bad],
    ] as const) {
      const result = tripletLoss(a, p, n, { distance, margin: 9 });
      expect(result.loss).toBeNaN();
      for (const grad of [result.gradAnchor, result.gradPositive, result.gradNegative])
        expect([...grad.data].map(Number.isNaN)).toEqual([false, false, true, true]);
    }
  });
});

describe('logits', () => {
  it('of NaN, wherever they are', () => {
    for (const [logits, label] of [
      [row(nan, 1), 1],
      [row(1, nan), 1],
      [row(nan, 1), 0],
    ] as const) {
      for (const result of [hardmaxLoss, hardmaxHingeLoss, softmaxCrossEntropy].map((loss) =>
        (loss as typeof hardmaxLoss)(logits, [label]),
      )) {
        expect(result.loss).toBeNaN();
        expect(allNaN(result.gradLogits)).toBe(true);
      }
    }
  });
  it('of equal infinities differ by 0', () => {
    for (const infinity of [Infinity, -Infinity]) {
      expect(hardmaxLoss(row(infinity, infinity), [1])).toMatchObject({ loss: 0, gradLogits: { data: Float32Array.of(0, 0) } });
      expect(hardmaxHingeLoss(row(infinity, infinity), [1], { margin: 2 }).loss).toBe(2);
    }
  });
  it('of −∞ cost nothing where their weight is 0', () => {
    const logits = row(1, -Infinity, 2);
    const classWeights = Float32Array.of(1, 0, 1);
    const { loss, gradLogits } = softmaxCrossEntropy(logits, [0], { labelSmoothing: 0.3, classWeights });
    // The share of the class of weight 0 is taken from the others: 0.3/3 each instead of 0.3/2.
    expect(loss).toBeCloseTo(0.7 * Math.log(1 + Math.E) + 0.1 * (Math.log(1 + Math.E) + Math.log(1 + 1 / Math.E)), 6);
    expect(gradLogits.data.every(Number.isFinite)).toBe(true);
    expect(softmaxCrossEntropy(logits, [1], { classWeights }).loss).toBe(0);
    const gradOutput = Float32Array.of(0);
    expect(softmaxCrossEntropy(logits, [1], { reduction: 'none', gradOutput }).loss).toBe(0);
    expect(softmaxCrossEntropy(logits, [0], { labelSmoothing: 0.3 }).loss).toBe(Infinity);
  });
});
