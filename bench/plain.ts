// The same formulas in plain float32 loops, as they are written down in most code: what an implementation without further care gives. Every
// operation is rounded to float32, sums from left to right.
import type { OpInputs } from '../lib/cli/op-cases.js';

const { fround, sqrt, exp, log } = Math;

type Rows = { readonly data: Float32Array; readonly shape: readonly [number, number] };

function dot(a: Float32Array, i: number, b: Float32Array, j: number, d: number): number {
  let sum = 0;
  for (let k = 0; k < d; k++) sum = fround(sum + fround((a[i * d + k] as number) * (b[j * d + k] as number)));
  return sum;
}

function eachPair(x: Rows, y: Rows, value: (i: number, j: number) => number): Float32Array {
  const [n, m] = [x.shape[0], y.shape[0]];
  const out = new Float32Array(n * m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[i * m + j] = value(i, j);
  return out;
}

function dots(x: Rows, y: Rows): Float32Array {
  const d = x.shape[1];
  return eachPair(x, y, (i, j) => dot(x.data, i, y.data, j, d));
}

/** ‖x‖² + ‖y‖² − 2·x·y. */
function squares(x: Rows, y: Rows): Float32Array {
  const d = x.shape[1];
  return eachPair(x, y, (i, j) => {
    const sum = fround(dot(x.data, i, x.data, i, d) + dot(y.data, j, y.data, j, d));
    return Math.max(fround(sum - fround(2 * dot(x.data, i, y.data, j, d))), 0);
  });
}

function unit(x: Rows): Rows {
  const d = x.shape[1];
  const data = x.data.map((value, at) => {
    const i = Math.floor(at / d);
    return value / Math.max(fround(sqrt(dot(x.data, i, x.data, i, d))), fround(1e-12));
  });
  return { data, shape: x.shape };
}

/** Mean of log Σ e^z − z_y over rows of logits. */
function crossEntropy(logits: Float32Array, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  let total = 0;
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const sum = row.reduce((a, z) => fround(a + fround(exp(fround(z - most)))), 0);
    total = fround(total + fround(fround(most + fround(log(sum))) - (row[label] as number)));
  });
  return fround(total / labels.length);
}

function arcFaceLogits({ x, weights, labels }: OpInputs, s: number, m: number): Float32Array {
  const cosines = dots(unit(x), unit(weights));
  const classes = weights.shape[0];
  const [cosM, sinM] = [fround(Math.cos(m)), fround(Math.sin(m))];
  labels.forEach((label, i) => {
    const cosine = cosines[i * classes + label] as number;
    const sine = fround(sqrt(Math.max(fround(1 - fround(cosine * cosine)), 0)));
    cosines[i * classes + label] = fround(fround(cosine * cosM) - fround(sine * sinM));
  });
  return cosines.map((value) => value * s);
}

function supCon({ x, labels }: OpInputs, temperature: number): number {
  const similarities = dots(unit(x), unit(x)).map((value) => value / temperature);
  const n = labels.length;
  let [total, rows] = [0, 0];
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) if (j !== i) sum = fround(sum + fround(exp(similarities[i * n + j] as number)));
    let [own, count] = [0, 0];
    for (let j = 0; j < n; j++) {
      if (j === i || labels[j] !== labels[i]) continue;
      own = fround(own + fround((similarities[i * n + j] as number) - fround(log(sum))));
      count++;
    }
    if (count === 0) continue;
    total = fround(total - fround(own / count));
    rows++;
  }
  return fround(total / Math.max(rows, 1));
}

function centers({ x, weights, labels }: OpInputs): number {
  const d = x.shape[1];
  let total = 0;
  labels.forEach((label, i) => {
    for (let k = 0; k < d; k++) {
      const difference = fround((x.data[i * d + k] as number) - (weights.data[label * d + k] as number));
      total = fround(total + fround(difference * difference));
    }
  });
  return fround(total / 2 / labels.length);
}

/** One output each, under the name that the operation gives it. */
export const plain: Readonly<Record<string, readonly [output: string, run: (inputs: OpInputs) => Float32Array | number]>> = {
  matmul: ['out', ({ x, weights }) => dots(x, weights)],
  'distances, dot': ['out', ({ x, weights }) => dots(x, weights)],
  'distances, squaredEuclidean': ['out', ({ x, weights }) => squares(x, weights)],
  'distances, euclidean': ['out', ({ x, weights }) => squares(x, weights).map((value) => fround(sqrt(value)))],
  'distances, cosineSimilarity': ['out', ({ x, weights }) => dots(unit(x), unit(weights))],
  'distances, cosineDistance': ['out', ({ x, weights }) => dots(unit(x), unit(weights)).map((value) => fround(1 - value))],
  normalize: ['out', ({ x }) => unit(x).data],
  softmaxCrossEntropy: [
    'loss',
    ({ x, labels }) =>
      crossEntropy(
        x.data,
        labels.map((label) => label % x.shape[1]),
      ),
  ],
  linearCrossEntropy: ['loss', ({ x, weights, labels }) => crossEntropy(dots(x, weights), labels)],
  'marginSoftmax, arcFace': ['loss', (inputs) => crossEntropy(arcFaceLogits(inputs, 16, 0.5), inputs.labels)],
  supConLoss: ['loss', (inputs) => supCon(inputs, fround(0.1))],
  centerLoss: ['loss', centers],
};
