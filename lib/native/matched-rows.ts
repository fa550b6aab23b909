// InfoNCE and N-pairs on the addon: each direction is a linear layer whose weights are the other side's rows under a softmax, and so runs on
// the op of the classification heads, which never holds rows × columns.
import type { BatchLossOps, InfoNceOp, NPairsOp } from '../ops/batch-losses.js';
import type { SoftmaxOps } from '../ops/softmax.js';
import type { Values } from '../ops/types.js';
import { addScaled, compared, deliverNaN, isMild, largestOf, plainSoftmax, type RowOps, scale, toGiven } from './compared-rows.js';

type Parts = RowOps & Pick<SoftmaxOps, 'marginSoftmax'>;

/** Whether products of raw rows, their gradients too, stay in float32's range. */
function areMild(x: Values, y: Values, d: number, temperature: number): boolean {
  const [mostX, mostY] = [largestOf(x), largestOf(y)];
  return Math.max((mostX * mostY * d) / temperature, mostX / temperature, mostY / temperature) < 2 ** 100;
}

/** Whether the addon's float32 products will do; the others are the reference's. */
export function hasInfoNce({ x, y, d, temperature, normalize }: InfoNceOp): boolean {
  return isMild(temperature) && (normalize || areMild(x, y, d, temperature));
}

/** Likewise. */
export function hasNPairs({ anchors, positives, d, normalize }: NPairsOp): boolean {
  return normalize || areMild(anchors, positives, d, 1);
}

function infoNce(ops: Parts, op: InfoNceOp): number {
  const { x, y, n, d, temperature, symmetric, normalize, perExample, gradX, gradY } = op;
  const labels = Int32Array.from({ length: n }, (_, i) => i);
  const u = compared(ops, x, n, d, normalize, 1 / temperature);
  const v = compared(ops, y, n, d, normalize);
  const room = (wanted: Values | undefined) => wanted && new Float32Array(n * d);
  const [toU, toV] = [room(gradX), room(gradY)];
  const shared = { ...plainSoftmax, labels, n, d, classes: n };
  let { loss } = ops.marginSoftmax({ ...shared, x: u, weights: v, perExample, gradX: toU, gradWeights: toV });
  if (symmetric) {
    const [columns, fromU, fromV] = [new Float32Array(n), room(gradX), room(gradY)];
    const back = ops.marginSoftmax({ ...shared, x: v, weights: u, perExample: columns, gradX: fromV, gradWeights: fromU });
    loss = (loss + back.loss) / 2;
    addScaled(perExample, columns, 1);
    scale(perExample, 0.5);
    if (toU && fromU) addScaled(toU, fromU, 1);
    if (toV && fromV) addScaled(toV, fromV, 1);
  }
  const weight = symmetric ? 0.5 : 1;
  if (toU && gradX) toGiven(ops, x, n, d, normalize, weight / temperature, toU, gradX);
  if (toV && gradY) toGiven(ops, y, n, d, normalize, weight, toV, gradY);
  deliverNaN(loss, gradX, gradY);
  return loss;
}

/** Of all rows as given, in float64. */
function squares(rows: Values): number {
  let sum = 0;
  for (let k = 0; k < rows.length; k++) sum += (rows[k] as number) * (rows[k] as number);
  return sum;
}

function nPairs(ops: Parts, op: NPairsOp): number {
  const { anchors, positives, n, l2Reg, gradAnchors, gradPositives } = op;
  let loss = infoNce(ops, { ...op, x: anchors, y: positives, temperature: 1, symmetric: false, gradX: gradAnchors, gradY: gradPositives });
  const weight = l2Reg / Math.max(n, 1);
  if (weight === 0) return loss;
  loss += weight * squares(anchors) + weight * squares(positives);
  if (gradAnchors) addScaled(gradAnchors, anchors, 2 * weight);
  if (gradPositives) addScaled(gradPositives, positives, 2 * weight);
  deliverNaN(loss, gradAnchors, gradPositives);
  return loss;
}

export function matchedLosses(ops: Parts): Pick<BatchLossOps, 'infoNceLoss' | 'nPairsLoss'> {
  return { infoNceLoss: (op) => infoNce(ops, op), nPairsLoss: (op) => nPairs(ops, op) };
}
