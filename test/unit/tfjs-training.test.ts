// The ops where they are meant to work: in optimizers of tfjs and in model.fit of tfjs-layers.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { arcFace, ClassifierHead, createRandom, type Matrix, sgd } from '../../lib/index.js';
import { fitLoss, fitTargets, headLoss, marginSoftmax, supConLoss } from '../../lib/integrations/tfjs/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

beforeAll(() => tf.setBackend('cpu'));

const [classes, inputs, dim] = [4, 6, 3];
const margin = arcFace({ s: 8, m: 0.2 });

/** Clusters that a linear map separates. */
function clusters(n: number, seed: number): { data: Float32Array; labels: Int32Array } {
  const random = createRandom(seed);
  const labels = cyclicLabels(n, classes);
  const data = Float32Array.from({ length: n * inputs }, (_, i) => {
    const [row, column] = [Math.floor(i / inputs), i % inputs];
    return (labels[row] === column ? 2 : 0) + 0.3 * random.normal();
  });
  return { data, labels };
}

const m2 = ({ data, shape }: Matrix) => tf.tensor2d(data, [...shape]);

it('keeps tf.memory() flat over 1000 steps', () => {
  const optimizer = tf.train.sgd(0.05);
  const map = tf.variable(m2(normalMatrix(inputs, dim, 1, 0.3)));
  const weights = tf.variable(m2(normalMatrix(classes, dim, 2, 0.3)));
  const head = new ClassifierHead({ classes, dim, margin });
  const { data, labels } = clusters(16, 3);
  const [x, y] = [tf.tensor2d(data, [16, inputs]), tf.tensor1d(labels, 'int32')];
  const step = () =>
    optimizer.minimize(() => {
      const embeddings = tf.matMul(x, map) as tf.Tensor2D;
      const terms = [marginSoftmax(embeddings, weights, y, { margin }), supConLoss(embeddings, y), headLoss(head, embeddings, y)];
      return tf.addN(terms) as tf.Scalar;
    });
  // What the first step makes stays: the engine's own bookkeeping.
  step();
  const before = tf.memory();
  for (let i = 0; i < 1000; i++) step();
  const after = tf.memory();
  expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([before.numTensors, before.numDataBuffers, before.numBytes]);
  expect(head.steps).toBe(1001);
  tf.dispose([x, y, map, weights]);
});

const network = () =>
  tfl.sequential({
    layers: [tfl.layers.dense({ units: dim, inputShape: [inputs], kernelInitializer: tfl.initializers.glorotUniform({ seed: 1 }) })],
  });

describe('model.fit', () => {
  it('trains by a custom loss, and evaluates without a step', async () => {
    const { data, labels } = clusters(64, 4);
    const head = new ClassifierHead({ classes, dim, margin, optimizer: sgd({ learningRate: 0.3, momentum: 0.9 }) });
    const model = network();
    model.compile({ optimizer: tf.train.adam(0.02), loss: fitLoss((x, y) => headLoss(head, x, y)) });
    const [x, y] = [tf.tensor2d(data, [64, inputs]), fitTargets(labels, dim)];
    const { history } = await model.fit(x, y, { epochs: 12, batchSize: 16, verbose: 0, validationData: [x, y], shuffle: false });
    const losses = history['loss'] as number[];
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 4);
    // 12 epochs of 4 batches, and none of the validation.
    expect(head.steps).toBe(48);
    expect((history['val_loss'] as number[]).at(-1)).toBeLessThan(losses[0] as number);
    const embedded = model.predict(tf.tensor2d(data, [64, inputs])) as tf.Tensor;
    const best = head.predict({ data: embedded.dataSync<'float32'>(), shape: [64, dim] }).classes.data;
    expect(best).toEqual(labels);
  });

  it('is of the network’s own step: the same weights as by minimize', async () => {
    const { data, labels } = clusters(16, 5);
    const x = tf.tensor2d(data, [16, inputs]);
    const fitted = network();
    fitted.compile({ optimizer: tf.train.sgd(0.1), loss: fitLoss((rows, y) => supConLoss(rows, y)) });
    await fitted.fit(x, fitTargets(tf.tensor1d(labels, 'int32'), dim), { epochs: 3, batchSize: 16, verbose: 0, shuffle: false });
    const plain = network();
    const optimizer = tf.train.sgd(0.1);
    for (let i = 0; i < 3; i++) optimizer.minimize(() => supConLoss(plain.apply(x) as tf.Tensor, labels));
    const weightsOf = (model: tfl.LayersModel) => model.getWeights().map((weight) => Array.from(weight.dataSync()));
    expect(weightsOf(fitted)).toEqual(weightsOf(plain));
    expect(weightsOf(fitted)).not.toEqual(weightsOf(network()));
  });

  it('trains proxies that are a layer’s own weights', async () => {
    class ArcFaceLayer extends tfl.layers.Layer {
      private weights_: tfl.LayerVariable | undefined;
      override build(): void {
        const initializer = tfl.initializers.randomNormal({ stddev: 0.1, seed: 2 });
        this.weights_ = this.addWeight('weights', [classes, dim], 'float32', initializer);
        this.built = true;
      }
      override computeOutputShape(): tfl.Shape[] {
        return [[null, 1]] as unknown as tfl.Shape[];
      }
      override call(given: tf.Tensor | tf.Tensor[]): tf.Tensor {
        const [x, labels] = given as [tf.Tensor2D, tf.Tensor2D];
        const weights = (this.weights_ as tfl.LayerVariable).read();
        const loss = marginSoftmax(x, weights, tf.cast(tf.reshape(labels, [-1]), 'int32'), { margin });
        return tf.mul(tf.ones([x.shape[0], 1]), loss);
      }
      static className = 'ArcFaceLayer';
    }
    const [features, label] = [tfl.input({ shape: [inputs] }), tfl.input({ shape: [1] })];
    const embeddings = tfl.layers.dense({ units: dim }).apply(features) as tfl.SymbolicTensor;
    const outputs = new ArcFaceLayer({}).apply([embeddings, label]) as tfl.SymbolicTensor;
    const model = tfl.model({ inputs: [features, label], outputs });
    expect(model.trainableWeights).toHaveLength(3);
    model.compile({ optimizer: tf.train.adam(0.05), loss: (_, loss) => tf.mean(loss) });
    const { data, labels } = clusters(64, 6);
    const given = [tf.tensor2d(data, [64, inputs]), tf.tensor2d(Float32Array.from(labels), [64, 1])];
    const { history } = await model.fit(given, tf.zeros([64, 1]), { epochs: 12, batchSize: 16, verbose: 0 });
    const losses = history['loss'] as number[];
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
  });
});
