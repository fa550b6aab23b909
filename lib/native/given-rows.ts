// How the losses of given pairs and triplets of rows cross to the addon.
import type { ContrastiveOp, TripletOp } from '../ops/pairs.js';
import type { Values } from '../ops/types.js';

export type ContrastiveArguments = [
  x1: Float32Array,
  x2: Float32Array,
  same: Int32Array,
  n: number,
  d: number,
  margin: number,
  scale: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradX1: Float32Array | undefined,
  gradX2: Float32Array | undefined,
];

export type TripletArguments = [
  anchor: Float32Array,
  positive: Float32Array,
  negative: Float32Array,
  n: number,
  d: number,
  euclidean: boolean,
  margin: number,
  p: number,
  eps: number,
  swap: boolean,
  scale: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradAnchor: Float32Array | undefined,
  gradPositive: Float32Array | undefined,
  gradNegative: Float32Array | undefined,
];

const floats = (values: Values): Float32Array => values as Float32Array;
const optional = (values: Values | undefined): Float32Array | undefined => values as Float32Array | undefined;

/** Of each row's term. */
function scaleOf({ reduction, n }: Pick<ContrastiveOp, 'reduction' | 'n'>): number {
  return reduction === 'mean' ? 1 / Math.max(n, 1) : 1;
}

export function contrastiveArguments(op: ContrastiveOp, loss: Float64Array): ContrastiveArguments {
  const { x1, x2, same, n, d, margin, perExample, gradX1, gradX2 } = op;
  return [floats(x1), floats(x2), same, n, d, margin, scaleOf(op), loss, floats(perExample), optional(gradX1), optional(gradX2)];
}

export function tripletArguments(op: TripletOp, loss: Float64Array): TripletArguments {
  const { n, d, distance, margin, p, eps, swap } = op;
  const rows = [floats(op.anchor), floats(op.positive), floats(op.negative)] as const;
  const gradients = [optional(op.gradAnchor), optional(op.gradPositive), optional(op.gradNegative)] as const;
  return [...rows, n, d, distance === 'euclidean', margin, p, eps, swap, scaleOf(op), loss, floats(op.perExample), ...gradients];
}
