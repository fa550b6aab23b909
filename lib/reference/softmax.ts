// Softmax and cross-entropy, on given logits and over a linear layer.
import type { LinearCrossEntropyOp, SoftmaxCrossEntropyOp, SoftmaxGradientOp, SoftmaxOp } from '../ops/softmax.js';
import { classify } from './classification.js';
import { addScaled, dot } from './rows.js';

export function softmax({ logits, n, classes, temperature, out }: SoftmaxOp): void {
  for (let i = 0; i < n; i++) {
    const at = i * classes;
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) if ((logits[at + c] as number) > max) max = logits[at + c] as number;
    const power = (c: number): number => (logits[at + c] === max ? 1 : Math.exp(((logits[at + c] as number) - max) / temperature));
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += power(c);
    for (let c = 0; c < classes; c++) out[at + c] = power(c) / sum;
  }
}

/** The Jacobian of softmax applied to gradOutput: p_j (g_j − Σ p g) / T. */
export function softmaxGradient({ logits, n, classes, temperature, gradOutput, gradLogits }: SoftmaxGradientOp): void {
  const p = new Float64Array(classes);
  for (let i = 0; i < n; i++) {
    const at = i * classes;
    softmax({ logits: logits.subarray(at, at + classes), n: 1, classes, temperature, out: p });
    let mean = 0;
    for (let c = 0; c < classes; c++) mean += (p[c] as number) * (gradOutput[at + c] as number);
    for (let c = 0; c < classes; c++) gradLogits[at + c] = ((p[c] as number) * ((gradOutput[at + c] as number) - mean)) / temperature;
  }
}

export function softmaxCrossEntropy(op: SoftmaxCrossEntropyOp): number {
  const { logits, classes, gradLogits } = op;
  gradLogits?.fill(0);
  return classify(
    op,
    (i, z) => {
      for (let c = 0; c < classes; c++) z[c] = logits[i * classes + c] as number;
    },
    gradLogits && ((i, g) => gradLogits.set(g, i * classes)),
  );
}

export function linearCrossEntropy(op: LinearCrossEntropyOp): number {
  const { x, weights, bias, d, classes, n, logits, gradX, gradWeights, gradBias } = op;
  gradX?.fill(0);
  const sumX = new Float64Array(d);
  const sumWeights = gradWeights && new Float64Array(classes * d);
  const sumBias = gradBias && new Float64Array(classes);
  const fill = (i: number, z: Float64Array): void => {
    for (let c = 0; c < classes; c++) z[c] = dot(x, i * d, weights, c * d, d) + (bias?.[c] ?? 0);
  };
  if (logits) eachRow(n, classes, fill, (i, z) => logits.set(z, i * classes));
  const use = (i: number, g: Float64Array): void => {
    sumX.fill(0);
    for (let c = 0; c < classes; c++) {
      addScaled(sumX, 0, weights, c * d, d, g[c] as number);
      if (sumWeights) addScaled(sumWeights, c * d, x, i * d, d, g[c] as number);
      if (sumBias) sumBias[c] = (sumBias[c] as number) + (g[c] as number);
    }
    gradX?.set(sumX, i * d);
  };
  const loss = classify(op, fill, gradX || sumWeights || sumBias ? use : undefined);
  if (sumWeights) gradWeights?.set(sumWeights);
  if (sumBias) gradBias?.set(sumBias);
  return loss;
}

/** Logits asked for as a result belong to every row, ignored ones included. */
export function eachRow(
  n: number,
  classes: number,
  fill: (i: number, z: Float64Array) => void,
  store: (i: number, z: Float64Array) => void,
): void {
  const z = new Float64Array(classes);
  for (let i = 0; i < n; i++) {
    fill(i, z);
    store(i, z);
  }
}
