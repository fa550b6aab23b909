// The wasm backend keeps tensors in memory of its own: what crosses is copied both ways, and must come out whole however the addon allocated it.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { beforeAll, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { headLoss, marginSoftmax } from '../../lib/integrations/tfjs/index.js';
import { normalMatrix } from '../helpers/data.js';

beforeAll(async () => {
  setWasmPaths(join(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist/'));
  expect(await tf.setBackend('wasm')).toBe(true);
});

const m2 = ({ data, shape }: hs.Matrix) => tf.tensor2d(data, [...shape]);
const margin = hs.arcFace();

it.each([
  { batch: 3, dim: 5, classes: 7 },
  // Gradients of 8 MiB: on Linux the addon lays those on huge pages.
  { batch: 16, dim: 128, classes: 16_384 },
])('gradients of marginSoftmax, $classes × $dim', ({ batch, dim, classes }) => {
  const [x, weights] = [normalMatrix(batch, dim, 1), normalMatrix(classes, dim, 2)];
  const labels = Int32Array.from({ length: batch }, (_, i) => i % classes);
  const expected = hs.marginSoftmax(x, weights, labels, { margin });
  const ys = tf.tensor1d(labels, 'int32');
  const { value, grads } = tf.valueAndGrads((rows, w) => marginSoftmax(rows as tf.Tensor, w as tf.Tensor, ys, { margin }))([
    m2(x),
    m2(weights),
  ]);
  expect(tf.getBackend()).toBe('wasm');
  expect(value.dataSync()[0]).toBe(Math.fround(expected.loss));
  expect(grads[0]?.dataSync()).toEqual(expected.gradEmbeddings.data);
  // Byte by byte: vitest would take seconds for millions of numbers.
  const bytes = (values: ArrayBufferView) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  expect(bytes(grads[1]?.dataSync() as Float32Array).equals(bytes(expected.gradWeights.data))).toBe(true);
});

it('a head steps on embeddings that a network of tfjs made', () => {
  const [images, map] = [m2(normalMatrix(8, 6, 3)), tf.variable(m2(normalMatrix(6, 4, 4)))];
  const head = new hs.ClassifierHead({ classes: 3, dim: 4, margin, optimizer: hs.sgd({ learningRate: 0.05 }) });
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 3);
  const optimizer = tf.train.sgd(0.01);
  const step = (): number => {
    const loss = optimizer.minimize(() => headLoss(head, tf.matMul(images, map as tf.Tensor2D), labels), true) as tf.Scalar;
    const [value] = loss.dataSync();
    loss.dispose();
    return value as number;
  };
  const first = step();
  const { numTensors } = tf.memory();
  const losses = Array.from({ length: 30 }, step);
  expect(losses.at(-1)).toBeLessThan(first);
  expect(tf.memory().numTensors).toBe(numTensors);
});
