// A step of a head within tfjs: the gradient to the embeddings, the class weights moved. The plain formulation in tfjs's ops, the same loss as one op with the
// weights in tfjs, and a head whose weights never cross; on the two backends of tfjs that train in Node without a binary of their own.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
// Registers the derivatives of tfjs's own ops.
import '@tensorflow/tfjs-layers';
import { arcFace, ClassifierHead, createRandom, type Matrix, sgd } from '../lib/index.js';
import { headLoss, marginSoftmax } from '../lib/integrations/tfjs/index.js';
import { type Bar, type Row, uniforms } from './row.js';

const wasm = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json');
setWasmPaths(join(dirname(wasm), 'dist/'));

const [s, m] = [64, 0.5];
type Shape = readonly [batch: number, dim: number, classes: number];
type Loss = (x: tf.Variable, w: tf.Variable | undefined, labels: tf.Tensor1D) => tf.Scalar;

function unit(rows: tf.Tensor): tf.Tensor {
  return tf.div(rows, tf.sqrt(tf.add(tf.sum(tf.square(rows), 1, true), 1e-12)));
}

/** ArcFace as tfjs can derive it: without the comparison that makes the margin easy beyond π − m. */
const plain: Loss = (x, w, labels) => {
  const cosines = tf.matMul(unit(x), unit(w as tf.Variable), false, true);
  const hot = tf.oneHot(labels, cosines.shape[1] as number, 1, 0, 'float32');
  const cos = tf.sum(tf.mul(cosines, hot), 1, true);
  const sin = tf.sqrt(tf.maximum(tf.sub(1, tf.square(cos)), 1e-6));
  const shifted = tf.sub(tf.mul(cos, Math.cos(m)), tf.mul(sin, Math.sin(m)));
  const logits = tf.mul(tf.add(cosines, tf.mul(hot, tf.sub(shifted, cos))), s);
  return tf.losses.softmaxCrossEntropy(hot, logits) as tf.Scalar;
};

const margin = arcFace({ s, m });
const op: Loss = (x, w, labels) => marginSoftmax(x, w as tf.Variable, labels, { margin });

function row(name: string, backend: 'cpu' | 'wasm', shape: Shape, weights: boolean, loss: () => Loss, bars: readonly Bar[] = []): Row {
  const [b, d, classes] = shape;
  const title = `tfjs${backend === 'cpu' ? 'Cpu' : 'Wasm'}${name}`;
  const prepare = () => {
    const random = createRandom(9);
    const rows = ({ data, shape }: Matrix) => tf.variable(tf.tensor2d(data, [...shape]));
    const named = Int32Array.from({ length: b }, () => random.integer(classes));
    let step: (() => void) | undefined;
    return async () => {
      await tf.setBackend(backend);
      step ??= (() => {
        const [x, labels] = [rows(uniforms(b, d, 1, 1)), tf.tensor1d(named, 'int32')];
        const own = weights ? rows(uniforms(classes, d, 2, 0.05)) : undefined;
        const [optimizer, of] = [tf.train.sgd(0.01), loss()];
        return () => {
          optimizer.minimize(() => of(x, own, labels));
          x.dataSync();
        };
      })();
      step();
    };
  };
  return { op: title, shape, flops: 6 * b * d * classes, bars, tooSlowOnTs: true, bestOnly: true, prepare };
}

function stepped([, dim, classes]: Shape): Loss {
  const head = new ClassifierHead({ classes, dim, margin, optimizer: sgd({ learningRate: 0.01 }) });
  return (x, _, labels) => headLoss(head, x, labels);
}

const shape: Shape = [128, 128, 10_000];
export const tfjsRows: readonly Row[] = (
  [
    ['wasm', 'tfjsWasmPlainStep', 4],
    ['cpu', 'tfjsCpuPlainStep', 6],
  ] as const
).flatMap(([backend, peer, atLeast]) => [
  row('PlainStep', backend, shape, true, () => plain),
  row('OpStep', backend, shape, true, () => op, [{ peer, atLeast }]),
  row('HeadStep', backend, shape, false, () => stepped(shape), [{ peer, atLeast }]),
]);
