// Native softmax, its gradient and cross-entropy on given logits against the reference at every level, with bounds from the sums
// they are made of, and logits at the edges of float32.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Matrix,
  matrix,
  type SoftmaxCrossEntropyOptions,
  setBackend,
  setIsa,
  setThreads,
  softmax,
  softmaxCrossEntropy,
  softmaxGradient,
} from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix, normals } from '../helpers/data.js';
import { describeNative, levels } from '../helpers/native.js';
import { bitsOf, expectWithin, roundoff } from '../helpers/tolerance.js';

const shapes: [n: number, classes: number][] = [1, 2, 15, 17, 513, 1100].flatMap((n) =>
  [1, 2, 3, 16, 17, 255, 256, 257, 1000, 17000].filter((classes) => n * classes <= 1.2e5).map((classes): [number, number] => [n, classes]),
);
const wide = (values: ArrayLike<number>) => Float64Array.from(values);
// Exponentials below 2⁻¹⁰⁰ are an exact 0.
const flushed = 2 ** -96;

/** Largest distance between two finite logits of a row, and the largest of them: rounding moves exp(z − max) by so many units. */
function spreadOf(row: Float32Array): number {
  let [most, least] = [0, 0];
  for (const z of row) {
    if (z < Infinity && z > most) most = z;
    if (z > -Infinity && z < least) least = z;
  }
  return most - least;
}

const rowOf = ({ data, shape: [, classes] }: Matrix, i: number) => data.subarray(i * classes, (i + 1) * classes);

function expectSoftmax(logits: Matrix, gradOutput: Matrix, temperature: number): void {
  const [n, classes] = logits.shape;
  const [out, gradLogits] = [new Float64Array(n * classes), new Float64Array(n * classes)];
  const op = { logits: wide(logits.data), n, classes, temperature };
  reference.softmax({ ...op, out });
  reference.softmaxGradient({ ...op, gradOutput: wide(gradOutput.data), gradLogits });
  const units = new Float64Array(n);
  // Σ p|g| of each row bounds what cancels in g − Σ p·g.
  const means = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    units[i] = (24 + (3 * spreadOf(rowOf(logits, i))) / temperature) * roundoff;
    for (let at = i * classes; at < (i + 1) * classes; at++) {
      means[i] = (means[i] as number) + (out[at] as number) * Math.abs(gradOutput.data[at] as number) || 0;
    }
  }
  const what = `${n} × ${classes}, T ${temperature}`;
  expectWithin(
    softmax(logits, { temperature }).data,
    out,
    (at) => (units[Math.floor(at / classes)] as number) * (out[at] as number) + flushed,
    what,
  );
  const limit = (at: number) => {
    const i = Math.floor(at / classes);
    const size = (out[at] as number) * (Math.abs(gradOutput.data[at] as number) + 2 * (means[i] as number));
    return ((units[i] as number) * size + flushed) / temperature + flushed;
  };
  expectWithin(softmaxGradient(logits, gradOutput, { temperature }).data, gradLogits, limit, `gradient of ${what}`);
}

const ignoreIndex = -100;
const labelsOf = (n: number, classes: number) =>
  Int32Array.from({ length: n }, (_, i) => (i % 7 === 3 ? ignoreIndex : (i * 7919 + 1) % classes));

function expectLoss(logits: Matrix, labels: Int32Array, options: SoftmaxCrossEntropyOptions): void {
  const [n, classes] = logits.shape;
  const [perExample, gradLogits] = [new Float64Array(n), new Float64Array(n * classes)];
  const { reduction = 'mean', labelSmoothing = 0, classWeights, gradOutput } = options;
  const resolved = {
    reduction,
    labelSmoothing,
    ignoreIndex,
    classWeights: classWeights && wide(classWeights),
    gradOutput: gradOutput && wide(gradOutput),
  };
  const loss = reference.softmaxCrossEntropy({ ...resolved, logits: wide(logits.data), labels, n, classes, perExample, gradLogits });
  const got = softmaxCrossEntropy(logits, labels, options);
  const what = `${n} × ${classes}, ${reduction}, smoothing ${labelSmoothing}`;
  const largest = classWeights ? classWeights.reduce((most, v) => Math.max(most, v), 0) : 1;
  // The loss is a difference of logits, each of them exact, and the logarithm of a sum.
  const ofLoss = (i: number) => {
    const value = Math.abs(perExample[i] as number);
    return (24 + 8 * Math.log(classes)) * roundoff * ((value < Infinity ? value : 0) + largest) + flushed;
  };
  expectWithin(got.perExample, perExample, ofLoss, `losses of ${what}`);
  let limit = 0;
  perExample.forEach((_, i) => (limit += (reduction === 'mean' ? 1 : Math.abs(gradOutput?.[i] ?? 1)) * ofLoss(i)));
  if (Number.isFinite(loss)) expect(Math.abs(got.loss - loss), what).toBeLessThanOrEqual(limit);
  else expect(got.loss, what).toBe(loss);
  // p of the other classes and the terms of smoothing, before they cancel.
  const grads = got.gradLogits?.data as Float32Array;
  const units = new Float64Array(n);
  const weightOf = (label: number) => (label === ignoreIndex ? 0 : (classWeights?.[label] ?? 1));
  const counted = labels.reduce((sum, label) => sum + weightOf(label), 0);
  const common = reduction === 'mean' ? 1 / (counted || 1) : 1;
  for (let i = 0; i < n; i++) {
    units[i] = (24 + 3 * spreadOf(rowOf(logits, i))) * roundoff;
  }
  const ofGradient = (at: number) => {
    const i = Math.floor(at / classes);
    const smooth = (labelSmoothing / classes) * largest * common * Math.abs(gradOutput?.[i] ?? 1);
    return (units[i] as number) * (Math.abs(gradLogits[at] as number) + 2 * smooth) + flushed;
  };
  expectWithin(grads, gradLogits, ofGradient, `gradient of ${what}`);
  const without = softmaxCrossEntropy(logits, labels, { ...options, gradients: false });
  expect(bitsOf(without.perExample)).toEqual(bitsOf(got.perExample));
  expect(without.loss).toBe(got.loss);
}

function scaled(logits: Matrix, scale: number, offset = 0): Matrix {
  return { ...logits, data: logits.data.map((z) => z * scale + offset) };
}

describeNative('softmax against the reference', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => {
    setIsa(levels.at(-1) as never);
    setThreads(2);
  });
  describe.each(levels)('%s', (isa) => {
    beforeAll(() => setIsa(isa));
    it('of every shape', () => {
      for (const [n, classes] of shapes) {
        setThreads(((n + classes) % 3) + 1);
        const logits = normalMatrix(n, classes, 1, 3);
        const labels = labelsOf(n, classes);
        expectSoftmax(logits, normalMatrix(n, classes, 2), 1 + (classes % 2));
        const classWeights = Float32Array.from(normals(classes, 3), (v) => Math.abs(v) + 0.1);
        expectLoss(logits, labels, {});
        expectLoss(logits, labels, { reduction: 'sum', labelSmoothing: 0.1 });
        expectLoss(logits, labels, { classWeights, labelSmoothing: 0.3 });
        expectLoss(logits, labels, { reduction: 'none', gradOutput: Float32Array.from(normals(n, 4)), classWeights });
      }
    });
    it('no rows, and nothing but ignored ones', () => {
      expect(softmax(matrix(new Float32Array(0), 3)).data.length).toBe(0);
      expect(softmaxCrossEntropy(matrix(new Float32Array(0), 3), []).loss).toBe(0);
      expectLoss(normalMatrix(4, 300, 1), new Int32Array(4).fill(ignoreIndex), { labelSmoothing: 0.1 });
    });
    it.each([
      ['a spread of 22', 22, 0],
      ['a spread of 1e4', 1e4, 0],
      ['an offset of 1e6', 1, 1e6],
      ['an offset of −1e6', 1, -1e6],
      ['a spread of 1e30', 1e30, 0],
      ['a spread of 1e-30', 1e-30, 0],
      ['equal logits', 0, 5],
    ])('%s', (_name, scale, offset) => {
      const logits = scaled(normalMatrix(40, 300, 1), scale, offset);
      for (const temperature of [1, 0.01, 50]) expectSoftmax(logits, normalMatrix(40, 300, 2), temperature);
      for (const labelSmoothing of [0, 0.1, 1]) expectLoss(logits, labelsOf(40, 300), { labelSmoothing });
    });
    it('temperatures of any size', () => {
      const logits = normalMatrix(5, 20, 1);
      logits.data.set([Infinity, -Infinity, 3, 3], 20);
      logits.data.set([-Infinity, 7, 7], 40);
      for (const temperature of [1e-300, 1e-45, 1e-39, 1e30, 1e39, 1e300]) {
        const out = new Float64Array(100);
        reference.softmax({ logits: wide(logits.data), n: 5, classes: 20, temperature, out });
        expectWithin(softmax(logits, { temperature }).data, out, (at) => 64 * roundoff * (out[at] as number) + flushed, `T ${temperature}`);
      }
    });
    it('infinite logits and NaN, alone and together, in the first block of classes and in others', () => {
      for (const classes of [1, 5, 300]) {
        for (const places of [[0], [classes - 1], [0, classes - 1], [classes >> 1], Array.from({ length: classes }, (_, c) => c)]) {
          for (const value of [Infinity, -Infinity, Number.NaN]) {
            const logits = normalMatrix(2, classes, 1);
            for (const at of places) logits.data[at] = value;
            expectSoftmax(logits, normalMatrix(2, classes, 2), 1);
            for (const label of [0, 1, classes - 1].filter((y) => y < classes)) {
              const labels = Int32Array.of(label, 0);
              for (const labelSmoothing of [0, 0.1]) {
                expectLoss(logits, labels, { labelSmoothing });
                const classWeights = new Float32Array(classes).fill(1);
                for (const at of places) classWeights[at] = 0;
                expectLoss(logits, labels, { labelSmoothing, classWeights });
              }
            }
          }
        }
      }
    });
  });
});
