import { describe, expect, it } from 'vitest';
import {
  annealedLambda,
  arcFace,
  cosFace,
  hardmax,
  hardmaxHingeLoss,
  hardmaxLoss,
  linearCrossEntropy,
  lSoftmax,
  marginSoftmax,
  matrix,
  softmax,
  softmaxCrossEntropy,
} from '../../lib/index.js';
import { psi } from '../../lib/reference/curves.js';

const rowOf = (...values: number[]) => matrix(Float32Array.from(values), values.length);
const lossOf = (label: number, ...values: number[]): number => softmaxCrossEntropy(rowOf(...values), [label]).loss;

describe('softmax cross-entropy at its edges', () => {
  it('survives logits of ±1e4, common offsets and infinities', () => {
    expect(lossOf(0, 1e4, -1e4)).toBe(0);
    expect(lossOf(1, 1e4, -1e4)).toBe(2e4);
    expect(lossOf(0, 1e6, 1e6)).toBeCloseTo(Math.LN2, 12);
    expect(lossOf(0, Infinity, 1)).toBe(0);
    expect(lossOf(1, Infinity, 1)).toBe(Infinity);
    expect(lossOf(0, 3, -Infinity)).toBe(0);
    expect(lossOf(0, -Infinity, -Infinity)).toBeCloseTo(Math.LN2, 12);
    expect(softmaxCrossEntropy(rowOf(Infinity, 1), [0]).gradLogits?.data).toEqual(Float32Array.of(0, 0));
  });
  it('keeps the gradient of a confident row', () => {
    const { gradLogits } = softmaxCrossEntropy(rowOf(50, 0), [0]);
    expect(gradLogits?.data[0]).toBe(Math.fround(-Math.exp(-50)));
    expect(gradLogits?.data[0]).not.toBe(0);
  });
  it('is 0 for one class, for ignored labels and for an empty batch', () => {
    expect(lossOf(0, 5)).toBe(0);
    const ignored = softmaxCrossEntropy(matrix(new Float32Array(6).fill(1), 3), [-100, -100]);
    expect(ignored.loss).toBe(0);
    expect(ignored.gradLogits?.data).toEqual(new Float32Array(6));
    expect(softmaxCrossEntropy(matrix(new Float32Array(0), 3), []).loss).toBe(0);
  });
  it('says NaN where a logit is NaN', () => {
    expect(lossOf(0, Number.NaN, 1)).toBeNaN();
    expect(lossOf(0, 1, Number.NaN)).toBeNaN();
  });
  it("under 'none' weighs the rows by gradOutput", () => {
    const logits = matrix(Float32Array.of(1, 2, 3, 1), 2);
    const { loss, perExample } = softmaxCrossEntropy(logits, [0, 1], { reduction: 'none', gradOutput: Float32Array.of(2, -1) });
    expect(loss).toBeCloseTo(2 * (perExample[0] as number) - (perExample[1] as number), 6);
  });
});

describe('hardmax', () => {
  it('is the one-hot argmax, ties to the lowest index, NaN never wins', () => {
    expect(hardmax(matrix(Float32Array.of(1, 3, 3, Number.NaN, 2, 1), 3)).data).toEqual(Float32Array.of(0, 1, 0, 0, 1, 0));
  });
  it('is what softmax tends to as the temperature falls', () => {
    const logits = rowOf(0.5, 2, 1.9);
    expect(softmax(logits, { temperature: 1e-4 }).data).toEqual(hardmax(logits).data);
  });
  it('measures the gap to the largest logit, or to the largest other one', () => {
    expect(hardmaxLoss(rowOf(1, 3, 2), [0]).loss).toBe(2);
    expect(hardmaxLoss(rowOf(1, 3, 2), [1]).loss).toBe(0);
    const logits = matrix(Float32Array.of(1, 3, 5, 1), 2);
    const gradLogits = { data: Float32Array.of(-1, 1, 1, -1) };
    expect(hardmaxLoss(logits, [0, 1], { reduction: 'sum' })).toMatchObject({ loss: 6, gradLogits });
    expect(hardmaxLoss(logits, [0, 1], { reduction: 'none' })).toMatchObject({ loss: 6, perExample: Float32Array.of(2, 4), gradLogits });
    expect(hardmaxLoss(logits, [0, 1])).toMatchObject({ loss: 3, gradLogits: { data: Float32Array.of(-0.5, 0.5, 0.5, -0.5) } });
    expect(hardmaxHingeLoss(rowOf(1, 3, 2), [1], { margin: 1.5 })).toMatchObject({
      loss: 0.5,
      gradLogits: { data: Float32Array.of(0, -1, 1) },
    });
    expect(hardmaxHingeLoss(rowOf(4), [0]).loss).toBe(0);
  });
});

describe('ψ', () => {
  // Liu et al. 2016, eq. 5 at 0, 30, 45, 60, 90, 120, 150, 180 degrees.
  const angles = [0, 30, 45, 60, 90, 120, 150, 180];
  const golden: Record<number, number[]> = {
    2: [1, 0.5, 0, -0.5, -1, -1.5, -2.5, -3],
    3: [1, 0, -Math.SQRT1_2, -1, -2, -3, -4, -5],
    4: [1, -0.5, -1, -1.5, -3, -4.5, -5.5, -7],
  };
  it.each(Object.entries(golden))('m = %s has its golden values', (m, values) => {
    angles.forEach((degrees, i) => expect(psi(Number(m), Math.cos((degrees * Math.PI) / 180)).value).toBeCloseTo(values[i] as number, 12));
  });
  it.each([1, 2, 3, 4, 5, 9])('m = %s never falls as the cosine grows', (m) => {
    let before = -Infinity;
    for (let i = 0; i <= 4000; i++) {
      const { value } = psi(m, -1 + i / 2000);
      expect(value).toBeGreaterThanOrEqual(before - 1e-12);
      before = value;
    }
  });
});

describe('marginSoftmax at its edges', () => {
  const w = matrix(Float32Array.of(1, 0, 0, 1, -1, 0), 2);
  it('anneals as the Caffe layers do', () => {
    const schedule = { base: 1000, gamma: 2.5e-5, power: 35, lambdaMin: 0 };
    const values = [1, 1000, 5000, 10000, 20000].map((i) => annealedLambda(i, schedule));
    const expected = [999.1254, 421.3711, 16.2055, 0.4056, 0.0007];
    values.forEach((v, i) => expect(v).toBeCloseTo(expected[i] as number, 4));
  });
  it.each([lSoftmax({ m: 3 }), arcFace({ overflow: 'none' }), cosFace()])(
    '$kind is finite for parallel, opposite and zero rows',
    (margin) => {
      const x = matrix(Float32Array.of(2, 0, -3, 0, 0, 0), 2);
      const result = marginSoftmax(x, w, [0, 0, 1], { margin });
      expect(Number.isFinite(result.loss)).toBe(true);
      for (const g of [result.gradEmbeddings, result.gradWeights]) expect(g?.data.every(Number.isFinite)).toBe(true);
      const zeroWeights = marginSoftmax(x, matrix(new Float32Array(6), 2), [0, 0, 1], { margin });
      expect(zeroWeights.gradWeights?.data.every(Number.isFinite)).toBe(true);
    },
  );
  it('gives each overflow mode its own value beyond π', () => {
    const c = -0.99;
    const x = matrix(Float32Array.of(c, Math.sqrt(1 - c * c)), 2);
    const target = (overflow: 'none' | 'linear' | 'easy' | 'clip'): number =>
      marginSoftmax(x, w, [0], { margin: arcFace({ s: 1, m: 0.5, overflow }), logits: true }).logits?.data[0] as number;
    expect(target('none')).toBeCloseTo(Math.cos(Math.acos(c) + 0.5), 5);
    expect(target('linear')).toBeCloseTo(c - 0.5 * Math.sin(0.5), 6);
    expect(target('easy')).toBeCloseTo(c, 6);
    expect(target('clip')).toBeCloseTo(-1, 6);
  });
  it('equals linear cross-entropy for m = 1, and for λ without bound', () => {
    const x = matrix(Float32Array.of(1, 2, -1, 0.5), 2);
    const plain = linearCrossEntropy(x, w, [1, 2]);
    expect(marginSoftmax(x, w, [1, 2], { margin: lSoftmax({ m: 1 }) })).toMatchObject({ loss: plain.loss, gradWeights: plain.gradWeights });
    expect(marginSoftmax(x, w, [1, 2], { margin: lSoftmax({ m: 4, lambda: 1e12 }) }).loss).toBeCloseTo(plain.loss, 9);
  });
  it('takes a margin that went through JSON, and refuses a broken one', () => {
    const x = matrix(Float32Array.of(1, 2), 2);
    const margin = arcFace({ s: 10 });
    expect(marginSoftmax(x, w, [1], { margin: JSON.parse(JSON.stringify(margin)) }).loss).toBe(marginSoftmax(x, w, [1], { margin }).loss);
    expect(() => marginSoftmax(x, w, [1], { margin: { ...margin, s: -1 } })).toThrowError(/^options\.margin\.s:/);
    expect(() => marginSoftmax(x, w, [1], { margin: { kind: 'arcface' } as never })).toThrowError(/margin\.kind/);
  });
});
