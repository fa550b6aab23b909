// Softmax and cross-entropy on given logits.
import type { SoftmaxCrossEntropyOp, SoftmaxGradientOp, SoftmaxOp } from '../ops/softmax.js';
import { classify } from './classification.js';

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
