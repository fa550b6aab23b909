// What a bad label does to the ops that index by it: a typed error that names it, and nothing written.
import { expect, it } from 'vitest';
import { ClassifierHead, centerLoss, cosFace, HypersphereError, matrix, setBackend, updateCenters } from '../../lib/index.js';
import { type Addon, nativeOps } from '../../lib/native/binding.js';
import { loadAddon } from '../../lib/native/loader.cjs';
import * as promises from '../../lib/promises.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative, onBothBackends } from '../helpers/native.js';

const bad: [name: string, labels: unknown, code: string, argument: string][] = [
  ['a label of −1', Int32Array.of(0, 1, -1, 0), 'ERR_LABEL_RANGE', 'labels[2]'],
  ['a label of C', Int32Array.of(0, 1, 0, 2), 'ERR_LABEL_RANGE', 'labels[3]'],
  ['the smallest int32', Int32Array.of(-(2 ** 31), 1, 0, 1), 'ERR_LABEL_RANGE', 'labels[0]'],
  ['a label beyond int32', Uint32Array.of(0, 2 ** 32 - 1, 0, 0), 'ERR_LABEL_RANGE', 'labels[1]'],
  ['NaN', [0, Number.NaN, 0, 1], 'ERR_LABEL_RANGE', 'labels[1]'],
  ['half a label', [0, 1, 0.5, 1], 'ERR_LABEL_RANGE', 'labels[2]'],
  ['a BigInt', [0n, 1n, 0n, 1n], 'ERR_LABEL_RANGE', 'labels[0]'],
  ['BigInt labels', BigInt64Array.of(0n, 1n, 0n, 1n), 'ERR_TYPE', 'labels'],
  ['float labels', Float32Array.of(0, 1, 0, 1), 'ERR_TYPE', 'labels'],
  ['one label too few', Int32Array.of(0, 1, 0), 'ERR_SHAPE', 'labels'],
  ['no labels', undefined, 'ERR_TYPE', 'labels'],
];

onBothBackends('labels', () => {
  it.each(bad)('%s', async (_name, labels, code, argument) => {
    const [x, centers] = [normalMatrix(4, 3, 1), normalMatrix(2, 3, 2)];
    const before = Float32Array.from(centers.data);
    const out = { gradEmbeddings: matrix(new Float32Array(12).fill(7), 3), gradCenters: matrix(new Float32Array(6).fill(7), 3) };
    const head = new ClassifierHead({ classes: 2, dim: 3, margin: cosFace() });
    const weights = Float32Array.from(head.weights.data);
    const calls = [
      async () => head.step(x, labels as never, { out: { gradEmbeddings: out.gradEmbeddings } }),
      async () => centerLoss(x, labels as never, centers, { gradCenters: true, out }),
      async () => updateCenters(x, labels as never, centers),
      async () => promises.centerLoss(x, labels as never, centers, { gradCenters: true, out }),
    ];
    for (const call of calls) {
      const error = await call().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(HypersphereError);
      expect(error).toMatchObject({ code, argument });
    }
    expect([centers.data, head.weights.data, head.steps]).toEqual([before, weights, 0]);
    for (const { data } of Object.values(out)) expect(data.every((value) => value === 7)).toBe(true);
  });
});

// Labels in shared memory may change between the face's check and the op: the addon checks its own copy.
describeNative('labels that changed after they were checked', () => {
  it.each([-1, 2, 2 ** 31 - 1, -(2 ** 31)])('%i', (label) => {
    setBackend('native');
    const ops = nativeOps(loadAddon(process.env['HYPERSPHERE_NATIVE_PATH']).addon as Addon);
    const [x, centers] = [normalMatrix(4, 3, 1), normalMatrix(2, 3, 2)];
    const before = Float32Array.from(centers.data);
    const labels = new Int32Array(new SharedArrayBuffer(16));
    labels.set([0, 1, label, 0]);
    const inputs = { x: x.data, labels, centers: centers.data, n: 4, d: 3, classes: 2 };
    const expected = expect.objectContaining({ code: 'ERR_LABEL_RANGE', argument: 'labels[2]' });
    const outputs = {
      perExample: new Float32Array(4).fill(7),
      gradX: new Float32Array(12).fill(7),
      gradCenters: new Float32Array(6).fill(7),
    };
    expect(() => ops.centerLoss({ ...inputs, reduction: 'mean', ...outputs })).toThrow(expected);
    expect(() => ops.updateCenters({ ...inputs, alpha: 0.5 })).toThrow(expected);
    expect(centers.data).toEqual(before);
    const margins = { ...inputs, beta: Float32Array.of(1, 1), margin: 0.2, nu: 0, normalize: true };
    const gradBeta = new Float32Array(2).fill(7);
    expect(() => ops.marginLoss({ ...margins, gradX: outputs.gradX, gradBeta })).toThrow(expected);
    const resolved = { labelSmoothing: 0, ignoreIndex: -100, reduction: 'mean' as const };
    const gradLogits = new Float32Array(8).fill(7);
    const loss = { ...resolved, labels, n: 4, classes: 2, perExample: outputs.perExample };
    expect(() => ops.softmaxCrossEntropy({ ...loss, logits: new Float32Array(8), gradLogits })).toThrow(expected);
    const head = { ...loss, x: x.data, weights: centers.data, d: 3, margin: cosFace(), workspaceBytes: 1 };
    expect(() => ops.marginSoftmax({ ...head, gradX: outputs.gradX, gradWeights: outputs.gradCenters })).toThrow(expected);
    const rule = { kind: 'sgd', learningRate: 1, momentum: 0, weightDecay: 0 } as const;
    expect(() => ops.marginSoftmax({ ...head, update: { rule } })).toThrow(expected);
    expect(centers.data).toEqual(before);
    for (const data of [...Object.values(outputs), gradLogits, gradBeta]) expect(data.every((value) => value === 7)).toBe(true);
  });

  it('boundaries that overlap their gradient or are missing, and numbers of bins that are none', () => {
    setBackend('native');
    const ops = nativeOps(loadAddon(process.env['HYPERSPHERE_NATIVE_PATH']).addon as Addon);
    const x = normalMatrix(4, 3, 1).data;
    const base = { x, labels: Int32Array.of(0, 0, 1, 1), n: 4, d: 3, margin: 0.2, nu: 0, normalize: true };
    const beta = Float32Array.of(1, 1);
    const refused = (code: string, argument: string) => expect.objectContaining({ code, argument });
    expect(() => ops.marginLoss({ ...base, beta, gradBeta: beta })).toThrow(refused('ERR_ALIAS', 'gradBeta'));
    expect(() => ops.marginLoss({ ...base, beta, gradBeta: new Float32Array(3) })).toThrow(refused('ERR_SHAPE', 'gradBeta'));
    expect(() => ops.marginLoss({ ...base, beta: new Float32Array(0) })).toThrow(refused('ERR_OPTION_RANGE', 'betas'));
    expect(beta).toEqual(Float32Array.of(1, 1));
    for (const numBins of [0, -1, 1e300, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
      const [perExample, gradX] = [new Float32Array(4), new Float32Array(12)];
      expect(ops.fastApLoss({ ...base, numBins, perExample, gradX })).toBeGreaterThanOrEqual(0);
      expect(ops.histogramLoss({ ...base, numBins, gradX })).toBeGreaterThanOrEqual(0);
      expect(gradX.every(Number.isFinite)).toBe(true);
    }
  });

  it('rows beyond the weights, and memory that overlaps', () => {
    setBackend('native');
    const ops = nativeOps(loadAddon(process.env['HYPERSPHERE_NATIVE_PATH']).addon as Addon);
    const [x, weights] = [normalMatrix(4, 3, 1).data, normalMatrix(6, 3, 2).data];
    const before = weights.slice();
    const rule = { kind: 'sgd', learningRate: 1, momentum: 0.9, weightDecay: 0 } as const;
    const base = {
      x,
      weights,
      labels: Int32Array.of(0, 1, 0, 1),
      n: 4,
      d: 3,
      classes: 2,
      margin: cosFace(),
      workspaceBytes: 1,
      labelSmoothing: 0,
      ignoreIndex: -100,
      reduction: 'mean' as const,
      perExample: new Float32Array(4).fill(7),
    };
    const refused = (extra: object, code: string, argument: string): void => {
      expect(() => ops.marginSoftmax({ ...base, rows: Int32Array.of(1, 4), ...extra })).toThrow(
        expect.objectContaining({ code, argument }),
      );
      expect(weights).toEqual(before);
      expect(base.perExample.every((value) => value === 7)).toBe(true);
    };
    for (const row of [-1, 6, 2 ** 31 - 1])
      refused({ rows: Int32Array.of(0, row), update: { rule: { ...rule, momentum: 0 } } }, 'ERR_LABEL_RANGE', 'rows[1]');
    refused({ update: { rule, state: weights } }, 'ERR_ALIAS', 'state');
    refused({ gradWeights: weights.subarray(0, 6) }, 'ERR_ALIAS', 'gradWeights');
    refused({ gradX: x }, 'ERR_ALIAS', 'gradX');
    refused({ update: { rule, state: new Float32Array(17) } }, 'ERR_SHAPE', 'state');
    refused({ weights: weights.subarray(1) }, 'ERR_SHAPE', 'weightClasses');
    const over = new Float32Array(32);
    const statistics = new Float64Array(over.buffer);
    refused({ x: over.subarray(4, 16), exchange: { phase: 'forward', statistics, allClasses: 2 } }, 'ERR_ALIAS', 'statistics');
    refused({ exchange: { phase: 'forward', statistics: new Float64Array(15), allClasses: 2 } }, 'ERR_SHAPE', 'statistics');
  });
});
