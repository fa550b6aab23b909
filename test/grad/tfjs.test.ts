// Through a small network of tfjs: its float32 gradient against central differences of the loss. A network's own float32 bounds what differences can
// show: a step of 2^-7 weighs rounding (some 2^-22 of a loss near 1) against the curvature.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
// Registers the derivatives of tfjs's own ops.
import '@tensorflow/tfjs-layers';
import { beforeAll, expect, it } from 'vitest';
import { arcFace } from '../../lib/index.js';
import { marginSoftmax, supConLoss, tripletLoss } from '../../lib/integrations/tfjs/index.js';
import { cyclicLabels, normals } from '../helpers/data.js';

beforeAll(() => tf.setBackend('cpu'));

const [batch, inputs, hidden, dim, classes] = [9, 4, 5, 3, 3];
const random = (shape: [number, number], seed: number) => tf.tensor2d(Float32Array.from(normals(shape[0] * shape[1], seed, 0.5)), shape);
const labels = cyclicLabels(batch, classes);
const margin = arcFace({ s: 2, m: 0.2 });

type Loss = (embeddings: tf.Tensor, weights: tf.Tensor) => tf.Scalar;
const supCon: Loss = (e, w) => supConLoss(tf.matMul(e, w, false, true), labels, { temperature: 1 });
const arc: Loss = (e, w) => marginSoftmax(e, w, labels, { margin });
// A margin beyond every distance: no triplet at the hinge's kink.
const triplets: Loss = (e, w) => {
  const rows = tf.matMul(e, w, false, true);
  const [a, p, n] = [0, 3, 6].map((from) => tf.slice(rows, [from, 0], [3, classes])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  return tf.mul(tripletLoss(a, p, n, { margin: 10 }), 0.1);
};
const losses: [name: string, loss: Loss][] = [
  ['marginSoftmax', arc],
  ['supConLoss', supCon],
  ['a weighed sum of both', (e, w) => tf.add(tf.mul(arc(e, w), 0.5), supCon(e, w))],
  ['tripletLoss of parts of one batch', triplets],
];

it.each(losses)('%s', (_, loss) => {
  tf.tidy(() => {
    const x = random([batch, inputs], 1);
    const parameters = [random([inputs, hidden], 2), random([hidden, dim], 3), random([classes, dim], 4)];
    const f = (...[first, second, weights]: tf.Tensor[]): tf.Scalar => {
      const embeddings = tf.matMul(tf.tanh(tf.matMul(x, first as tf.Tensor)), second as tf.Tensor);
      return loss(embeddings, weights as tf.Tensor);
    };
    const grads = tf.grads(f)(parameters);
    const scale = Math.max(...grads.map((grad) => tf.max(tf.abs(grad)).dataSync()[0] as number));
    expect(scale).toBeGreaterThan(0.01);
    const h = 2 ** -7;
    parameters.forEach((parameter, p) => {
      const [values, grad] = [parameter.dataSync(), (grads[p] as tf.Tensor).dataSync()];
      for (let i = 0; i < values.length; i++) {
        const at = (shift: number): number => {
          const moved = values.slice();
          moved[i] = (moved[i] as number) + shift;
          const tensors = parameters.map((other, q) => (q === p ? tf.tensor2d(moved, parameter.shape as [number, number]) : other));
          return f(...tensors).dataSync()[0] as number;
        };
        const [above, below] = [at(h), at(-h)];
        const rounding = (2 ** -22 * Math.max(1, Math.abs(above))) / h;
        expect(Math.abs((above - below) / (2 * h) - (grad[i] as number)), `parameter ${p}[${i}]`).toBeLessThan(
          rounding + 4 * h * h * scale,
        );
      }
    });
  });
});
