import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
// Registers the derivatives of tfjs's own ops.
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import * as ops from '../../lib/integrations/tfjs/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { type Case, cases } from '../helpers/tfjs-losses.js';

beforeAll(() => tf.setBackend('cpu'));

type Loss = (...args: unknown[]) => Record<string, hs.Matrix | Float32Array> & { loss: number };
type Op = (...args: unknown[]) => tf.Scalar;
const directLoss = (name: string): Loss => (hs as unknown as Record<string, Loss>)[name] as Loss;
const op = (name: string): Op => (ops as unknown as Record<string, Op>)[name] as Op;

const tensorOf = (value: hs.Matrix | Float32Array | Int32Array): tf.Tensor => {
  if (value instanceof Int32Array) return tf.tensor1d(value, 'int32');
  return value instanceof Float32Array ? tf.tensor1d(value) : tf.tensor2d(value.data, [...value.shape]);
};
const dataOf = (value: hs.Matrix | Float32Array): Float32Array => (value instanceof Float32Array ? value : value.data);
const m2 = ({ data, shape }: hs.Matrix) => tf.tensor2d(data, [...shape]);

const x = normalMatrix(8, 3, 1);
const labels = cyclicLabels(8, 4);
const weights = normalMatrix(4, 3, 2);
const margin = hs.arcFace({ s: 8, m: 0.3 });

describe('the losses', () => {
  it('are all there', () => {
    const losses = Object.keys(hs).filter((name) => /^[a-z].*(Loss|CrossEntropy)$|^marginSoftmax$/.test(name));
    expect(cases.map(({ name }) => name).sort()).toEqual(losses.sort());
    expect(Object.keys(ops).sort()).toEqual([...losses, 'fitLoss', 'fitTargets', 'headLoss'].sort());
  });

  it.each(cases)('$name has the value and the gradients of the direct call', ({ name, args, gradients, options, direct }: Case) => {
    const expected = directLoss(name)(...args, { ...options, ...direct });
    tf.tidy(() => {
      const tensors = args.map(tensorOf);
      const wanted = gradients.flatMap((gradient, i) => (gradient ? [i] : []));
      const loss = (...given: tf.Tensor[]): tf.Scalar => {
        const all = tensors.map((tensor, i) => (wanted.includes(i) ? (given[wanted.indexOf(i)] as tf.Tensor) : tensor));
        return tf.mul(op(name)(...all, options), 3);
      };
      const { value, grads } = tf.valueAndGrads(loss)(wanted.map((i) => tensors[i] as tf.Tensor));
      expect(value.dataSync()[0]).toBe(Math.fround(3 * Math.fround(expected.loss)));
      wanted.forEach((i, k) => {
        const gradient = expected[gradients[i] as string] as hs.Matrix | Float32Array;
        expect(Math.max(...dataOf(gradient).map(Math.abs))).toBeGreaterThan(0);
        expect(grads[k]?.shape).toEqual(tensors[i]?.shape);
        expect(grads[k]?.dataSync()).toEqual(dataOf(gradient).map((g) => Math.fround(3 * g)));
      });
      // Without a tape only the value is computed, and it is the same.
      expect(op(name)(...tensors, options).dataSync()[0]).toBe(Math.fround(expected.loss));
    });
  });

  it('take a tensor of the bias for its gradient', () => {
    const bias = Float32Array.of(0.1, -0.2, 0.3, 0);
    const { gradBias } = hs.linearCrossEntropy(x, weights, labels, { bias });
    const grad = tf.grad((b) => ops.linearCrossEntropy(m2(x), weights, labels, { bias: b }))(tf.tensor1d(bias));
    expect(grad.dataSync()).toEqual(gradBias);
    const none = tf.grad((rows) => ops.linearCrossEntropy(rows, weights, labels, { bias }))(m2(x));
    expect(none.dataSync()).toEqual(hs.linearCrossEntropy(x, weights, labels, { bias }).gradEmbeddings.data);
  });

  it('leave matrices in the caller’s memory: constants, read at each call', () => {
    const own = hs.matrix(weights.data.slice(), 3);
    const gradient = () =>
      tf
        .grad((rows) => ops.marginSoftmax(rows, own, labels, { margin }))(m2(x))
        .dataSync();
    expect(gradient()).toEqual(hs.marginSoftmax(x, own, labels, { margin }).gradEmbeddings.data);
    const before = gradient();
    own.data[0] = (own.data[0] as number) + 1;
    expect(gradient()).not.toEqual(before);
  });

  it('train weights that the caller keeps and moves', () => {
    const own = hs.matrix(weights.data.slice(), 3);
    const direct = hs.marginSoftmax(x, own, labels, { margin });
    const onResult = ({ gradWeights }: { gradWeights?: hs.Matrix }) => {
      expect(gradWeights).toEqual(direct.gradWeights);
      own.data.forEach((value, i) => (own.data[i] = value - 0.1 * (gradWeights?.data[i] as number)));
    };
    const { value } = tf.valueAndGrad((rows) => ops.marginSoftmax(rows, own, labels, { margin, onResult }))(m2(x));
    expect(value.dataSync()[0]).toBe(Math.fround(direct.loss));
    expect(hs.marginSoftmax(x, own, labels, { margin }).loss).toBeLessThan(direct.loss);
  });

  it('add up the gradients of a tensor given twice', () => {
    const { gradX, gradY } = hs.infoNceLoss(x, x);
    const grad = tf.grad((rows) => ops.infoNceLoss(rows, rows))(m2(x));
    expect(grad.dataSync()).toEqual(gradX.data.map((g, i) => g + (gradY.data[i] as number)));
  });

  it('take a batch of nothing', () => {
    const { value, grad } = tf.valueAndGrad((rows) => ops.supConLoss(rows, []))(tf.zeros([0, 3]));
    expect([value.dataSync()[0], grad.shape]).toEqual([0, [0, 3]]);
  });

  it('compute gradients only where tfjs records', () => {
    const seen: object[] = [];
    const onResult = (result: object) => seen.push(result);
    ops.centerLoss(m2(x), labels, weights, { onResult });
    tf.grad((rows) => ops.centerLoss(rows, labels, weights, { onResult }))(m2(x));
    tf.grad((rows) => ops.centerLoss(rows, labels, m2(weights), { onResult }))(m2(x));
    expect(seen.map((result) => Object.keys(result).filter((key) => key.startsWith('grad')))).toEqual([
      [],
      ['gradEmbeddings'],
      ['gradEmbeddings', 'gradCenters'],
    ]);
  });

  it('hand over what a margin carries to the next batch', () => {
    let next: hs.Margin = hs.curricularFace();
    const onResult = (result: { margin: hs.Margin }) => (next = result.margin);
    tf.grad((rows) => ops.marginSoftmax(rows, weights, labels, { margin: next, onResult }))(m2(x));
    expect(next).toEqual(hs.marginSoftmax(x, weights, labels, { margin: hs.curricularFace() }).margin);
  });

  it('refuse a derivative of their gradient, which would be zero in silence', () => {
    const first = tf.grad((rows) => ops.supConLoss(rows, labels));
    expect(() => tf.grad((rows) => tf.sum(tf.square(first(rows))))(m2(x))).toThrow(/^loss: expected a first derivative/);
  });
});

describe('headLoss', () => {
  const make = () => new hs.ClassifierHead({ classes: 4, dim: 3, margin, optimizer: hs.sgd({ learningRate: 0.1, momentum: 0.9 }) });

  it('steps the head to the bit of head.step, and gives x its gradient', () => {
    const [own, other] = [make(), make()];
    for (const learningRate of [0.1, 0.02]) {
      const step = own.step(x, labels, { learningRate });
      const seen: object[] = [];
      const options = { learningRate, onResult: (result: object) => seen.push(result) };
      const ys = tf.tensor1d(labels, 'int32');
      const { value, grad } = tf.valueAndGrad((rows) => tf.mul(ops.headLoss(other, rows, ys, options), 2) as tf.Scalar)(m2(x));
      expect(value.dataSync()[0]).toBe(2 * Math.fround(step.loss));
      expect(grad.dataSync()).toEqual(step.gradEmbeddings.data.map((g) => 2 * g));
      expect(other.weights).toEqual(own.weights);
      expect(seen).toMatchObject([{ loss: step.loss, perExample: step.perExample }]);
    }
    expect(other.steps).toBe(2);
  });

  it.each(['float32', 'bfloat16'] as const)('moves nothing where tfjs does not record, weights in %s', (precision) => {
    const head = new hs.ClassifierHead({ classes: 4, dim: 3, margin, precision });
    const expected = head.forwardBackward(x, labels).loss;
    const before = head.weights.data.slice();
    expect(ops.headLoss(head, m2(x), labels).dataSync()[0]).toBe(Math.fround(expected));
    expect(head.weights.data).toEqual(before);
    expect(head.steps).toBe(0);
  });
});

describe('bad input', () => {
  const rows = () => m2(x);
  const thrown = (call: () => unknown): Partial<hs.ErrorDetails> => {
    try {
      call();
    } catch (error) {
      if (!(error instanceof hs.HypersphereError)) throw error;
      return { code: error.code, argument: error.argument };
    }
    return {};
  };
  const wrong = <T>(value: unknown) => value as T;
  const disposed = (): tf.Tensor => {
    const tensor = rows();
    tensor.dispose();
    return tensor;
  };
  const head = new hs.ClassifierHead({ classes: 4, dim: 3, margin });

  it.each<[name: string, call: () => unknown, code: hs.ErrorCode, argument: string]>([
    ['embeddings of int32', () => ops.supConLoss(tf.zeros([8, 3], 'int32'), labels), 'ERR_TYPE', 'x'],
    ['embeddings of rank 1', () => ops.supConLoss(tf.zeros([8]), labels), 'ERR_SHAPE', 'x'],
    ['embeddings of rank 3', () => ops.supConLoss(tf.zeros([8, 3, 1]), labels), 'ERR_SHAPE', 'x'],
    ['a disposed tensor', () => ops.supConLoss(disposed(), labels), 'ERR_DETACHED', 'x'],
    ['an array for embeddings', () => ops.supConLoss(wrong([[1, 2]]), labels), 'ERR_TYPE', 'x'],
    ['nothing', () => wrong<() => void>(ops.supConLoss)(), 'ERR_TYPE', 'x'],
    ['constants alone', () => ops.supConLoss(x, labels), 'ERR_TYPE', 'x'],
    ['labels of float32', () => ops.supConLoss(rows(), tf.zeros([8])), 'ERR_TYPE', 'labels'],
    ['labels of bool', () => ops.supConLoss(rows(), tf.zeros([8], 'bool')), 'ERR_TYPE', 'labels'],
    ['labels of rank 2', () => ops.supConLoss(rows(), tf.zeros([8, 1], 'int32')), 'ERR_SHAPE', 'labels'],
    ['too few labels', () => ops.supConLoss(rows(), tf.zeros([7], 'int32')), 'ERR_SHAPE', 'labels'],
    ['a label out of range', () => ops.linearCrossEntropy(rows(), m2(weights), tf.fill([8], 4, 'int32')), 'ERR_LABEL_RANGE', 'labels[0]'],
    ['a flag out of range', () => ops.contrastiveLoss(rows(), rows(), tf.fill([8], 2, 'int32')), 'ERR_LABEL_RANGE', 'same[0]'],
    ['weights of another width', () => ops.linearCrossEntropy(rows(), tf.zeros([4, 2]), labels), 'ERR_SHAPE', 'weights'],
    ['centers of int32', () => ops.centerLoss(rows(), labels, tf.zeros([4, 3], 'int32')), 'ERR_TYPE', 'centers'],
    ['β of rank 2', () => ops.marginLoss(rows(), labels, tf.zeros([1, 1])), 'ERR_SHAPE', 'beta'],
    ['β as an array', () => ops.marginLoss(rows(), labels, wrong([1])), 'ERR_TYPE', 'beta'],
    [
      'a bias of int32',
      () => ops.linearCrossEntropy(rows(), weights, labels, { bias: tf.zeros([4], 'int32') }),
      'ERR_TYPE',
      'options.bias',
    ],
    ['an unknown option', () => ops.supConLoss(rows(), labels, wrong({ margin: 1 })), 'ERR_OPTION_RANGE', 'options.margin'],
    ['an option out of range', () => ops.supConLoss(rows(), labels, { temperature: 0 }), 'ERR_OPTION_RANGE', 'options.temperature'],
    ['gradients: false', () => ops.supConLoss(rows(), labels, wrong({ gradients: false })), 'ERR_OPTION_RANGE', 'options.gradients'],
    ['out', () => ops.supConLoss(rows(), labels, wrong({ out: {} })), 'ERR_OPTION_RANGE', 'options.out'],
    ['no function', () => ops.supConLoss(rows(), labels, wrong({ onResult: 1 })), 'ERR_TYPE', 'options.onResult'],
    ['no options', () => ops.supConLoss(rows(), labels, wrong(1)), 'ERR_TYPE', 'options'],
    ['no head', () => ops.headLoss(wrong({}), rows(), labels), 'ERR_TYPE', 'head'],
    ['a constant for a head', () => ops.headLoss(head, wrong(x), labels), 'ERR_TYPE', 'x'],
    ['another width for a head', () => ops.headLoss(head, tf.zeros([8, 2]), labels), 'ERR_SHAPE', 'x'],
    ['an option that a head lacks', () => ops.headLoss(head, rows(), labels, wrong({ margin })), 'ERR_OPTION_RANGE', 'options.margin'],
    ['targets of float32', () => ops.fitLoss(ops.supConLoss)(tf.zeros([8, 3]), rows()), 'ERR_TYPE', 'targets'],
    ['targets of rank 1', () => ops.fitLoss(ops.supConLoss)(tf.zeros([8], 'int32'), rows()), 'ERR_SHAPE', 'targets'],
    ['a width of 0', () => ops.fitTargets(labels, 0), 'ERR_OPTION_RANGE', 'dim'],
    ['targets of fractions', () => ops.fitTargets(tf.tensor1d([0, 1]), 1), 'ERR_TYPE', 'labels'],
    ['a label of one half', () => ops.fitTargets([0.5], 1), 'ERR_LABEL_RANGE', 'labels[0]'],
  ])('%s', (_, call, code, argument) => {
    expect(thrown(call)).toEqual({ code, argument });
  });

  it('leaves no tensor and no step behind', () => {
    tf.tidy(() => {
      const [given, bad] = [rows(), tf.fill([8], 9, 'int32')];
      const { numTensors } = tf.memory();
      expect(() => tf.grad((rows) => ops.headLoss(head, rows, bad))(given)).toThrow(hs.HypersphereError);
      expect(tf.memory().numTensors).toBe(numTensors);
      expect(head.steps).toBe(0);
    });
  });
});
