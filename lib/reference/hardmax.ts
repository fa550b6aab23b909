// Hardmax in its three readings: the one-hot argmax, and the two losses on the gap to the largest logit.
import type { HardmaxLossOp, HardmaxOp } from '../ops/softmax.js';

/** Index of the largest of z[at … at+classes), `skip` left out; ties to the lowest index, NaN never wins; −1 where nothing can win. */
function argmax(z: ArrayLike<number>, at: number, classes: number, skip = -1): number {
  let best = -1;
  for (let c = 0; c < classes; c++) {
    if (c !== skip && !Number.isNaN(z[at + c]) && (best < 0 || (z[at + c] as number) > (z[at + best] as number))) best = c;
  }
  return best;
}

export function hardmax({ logits, n, classes, out }: HardmaxOp): void {
  out.fill(0, 0, n * classes);
  for (let i = 0; i < n; i++) {
    const best = argmax(logits, i * classes, classes);
    if (best >= 0) out[i * classes + best] = 1;
  }
}

export function hardmaxLoss({ logits, labels, n, classes, margin, reduction, perExample, gradLogits }: HardmaxLossOp): number {
  gradLogits?.fill(0);
  const scale = reduction === 'mean' ? 1 / Math.max(n, 1) : 1;
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const at = i * classes;
    const y = labels[i] as number;
    const rival = argmax(logits, at, classes, margin === undefined ? -1 : y);
    // NaN never wins, but it could have: the loss must not hide it.
    if (logits.subarray(at, at + classes).some(Number.isNaN)) {
      perExample[i] = loss = Number.NaN;
      gradLogits?.fill(Number.NaN, at, at + classes);
      continue;
    }
    const value =
      rival < 0 || rival === y ? 0 : Math.max(0, difference(logits[at + rival] as number, logits[at + y] as number) + (margin ?? 0));
    perExample[i] = value;
    loss += scale * value;
    if (gradLogits && value > 0) {
      gradLogits[at + rival] = scale;
      gradLogits[at + y] = -scale;
    }
  }
  return loss;
}

/** a − b, and 0 for two equal infinities. */
function difference(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
