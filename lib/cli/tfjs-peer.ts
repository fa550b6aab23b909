// tfjs as a user of it would write the same, where it is installed: a few operations whose usual formulation is short.
import type { OpInputs } from './op-cases.js';

export interface Peer {
  readonly name: string;
  readonly ops: Readonly<Record<string, (inputs: OpInputs) => void>>;
}

// Only what is called here; the package is none of our dependencies.
interface Tensor {
  dataSync(): unknown;
}
interface Tfjs {
  tidy(work: () => void): void;
  tensor2d(data: Float32Array, shape: readonly [number, number]): Tensor;
  oneHot(labels: Tensor, classes: number): Tensor;
  tensor1d(data: Int32Array, dtype: 'int32'): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor | number, b: Tensor): Tensor;
  sum(a: Tensor, axis?: number, keepDims?: boolean): Tensor;
  square(a: Tensor): Tensor;
  sqrt(a: Tensor): Tensor;
  relu(a: Tensor): Tensor;
  transpose(a: Tensor): Tensor;
  grads(f: (...x: Tensor[]) => Tensor): (x: Tensor[]) => Tensor[];
  losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Tensor };
  getBackend(): string;
  ready(): Promise<void>;
}

function euclidean(tf: Tfjs, x: Tensor, y: Tensor): Tensor {
  const [xx, yy] = [tf.sum(tf.square(x), 1, true), tf.transpose(tf.sum(tf.square(y), 1, true))];
  return tf.sqrt(tf.relu(tf.sub(tf.add(xx, yy), tf.mul(2, tf.matMul(x, y, false, true)))));
}

/** Undefined where `@tensorflow/tfjs` is not installed. */
export async function tfjsPeer(): Promise<Peer | undefined> {
  let tf: Tfjs;
  try {
    // By a variable: the compiler need not find it.
    const name = '@tensorflow/tfjs';
    tf = (await import(name)) as Tfjs;
  } catch {
    return undefined;
  }
  await tf.ready();
  const read = (work: (inputs: OpInputs) => Tensor[]) => (inputs: OpInputs) =>
    tf.tidy(() => {
      for (const tensor of work(inputs)) tensor.dataSync();
    });
  return {
    name: `tfjs (${tf.getBackend()})`,
    ops: {
      matmul: read(({ x, weights }) => [tf.matMul(tf.tensor2d(x.data, x.shape), tf.tensor2d(weights.data, weights.shape), false, true)]),
      'distances, euclidean': read(({ x, weights }) => [
        euclidean(tf, tf.tensor2d(x.data, x.shape), tf.tensor2d(weights.data, weights.shape)),
      ]),
      linearCrossEntropy: read(({ x, weights, labels }) => {
        const hot = tf.oneHot(tf.tensor1d(labels, 'int32'), weights.shape[0]);
        const gradients = tf.grads((rows, w) => tf.losses.softmaxCrossEntropy(hot, tf.matMul(rows as Tensor, w as Tensor, false, true)));
        return gradients([tf.tensor2d(x.data, x.shape), tf.tensor2d(weights.data, weights.shape)]);
      }),
    },
  };
}
