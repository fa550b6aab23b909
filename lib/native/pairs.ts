// How the losses on pairs and triplets of a batch cross to the addon.
import type { MemoryRows } from '../ops/batch-losses.js';
import {
  type BatchContrastiveOp,
  type BatchTripletOp,
  type BatchTripletResult,
  pairDistances,
  termReductions,
  tripletStrategies,
} from '../ops/pairs.js';
import { shortest, type Values } from '../ops/types.js';

export type BatchTripletArguments = [
  x: Float32Array,
  labels: Int32Array,
  n: number,
  d: number,
  memory: Float32Array,
  memoryLabels: Int32Array,
  m: number,
  metric: number,
  normalize: boolean,
  mining: number,
  margin: number,
  seed: number,
  soft: boolean,
  swap: boolean,
  reduction: number,
  result: Float64Array,
  gradX: Float32Array | undefined,
];

/** What crosses where there are no rows of earlier batches. */
export const noMemory: MemoryRows = { x: new Float32Array(0), labels: new Int32Array(0), m: 0 };

/** A margin that the addon can compare float32 distances with, and of which it can add 512 in float32, as kernels/row_terms.h does. */
export const isFloat32 = (margin: number): boolean => Math.abs(margin) <= 2 ** 118;

/** Whether every row has a component between these sizes and none beyond, or is zero. */
function areWithin(rows: Values, count: number, d: number, least: number, greatest: number): boolean {
  for (let i = 0; i < count; i++) {
    let most = 0;
    for (let k = i * d; k < (i + 1) * d; k++) {
      const size = Math.abs(rows[k] as number);
      if (size > greatest) return false;
      if (size > most) most = size;
    }
    if (most > 0 && most < least) return false;
  }
  return true;
}

/** Whether the weights of the gradient of snr, which the rows' own spread divides, stay in float32's range. */
export function hasSnrGradient({ distance, normalize, gradX, x, n, d, memory }: BatchTripletOp | BatchContrastiveOp): boolean {
  if (distance !== 'snr' || gradX === undefined) return true;
  // Rows shorter than `shortest` are divided by that.
  const [least, greatest] = normalize ? [2 ** -30 * shortest, Infinity] : [2 ** -30, 2 ** 40];
  return areWithin(x, n, d, least, greatest) && (memory === undefined || areWithin(memory.x, memory.m, d, least, greatest));
}

/** Whether squares of raw rows keep float32's digits: below it they would all be 0, and a rule would take unequal distances for equal. */
function hasSquares({ distance, normalize, x, n, d, memory }: BatchTripletOp): boolean {
  if (distance !== 'squaredEuclidean' || normalize) return true;
  const least = 2 ** -58;
  return areWithin(x, n, d, least, Infinity) && (memory === undefined || areWithin(memory.x, memory.m, d, least, Infinity));
}

/** Whether the addon has this form; margins beyond float32 are the reference's, gradients of snr that are, and squares too small for it. */
export function hasBatchTriplet(op: BatchTripletOp): boolean {
  return isFloat32(op.margin) && hasSnrGradient(op) && hasSquares(op);
}

export function batchTripletArguments(op: BatchTripletOp, result: Float64Array): BatchTripletArguments {
  // These lists have the order of the addon's enumerations.
  const [metric, mining, reduction] = [
    pairDistances.indexOf(op.distance),
    tripletStrategies.indexOf(op.mining),
    termReductions.indexOf(op.reduction),
  ];
  const [x, gradX] = [op.x as Float32Array, op.gradX as Float32Array | undefined];
  const { x: memory, labels: memoryLabels, m } = op.memory ?? noMemory;
  const rows = [x, op.labels, op.n, op.d, memory as Float32Array, memoryLabels, m] as const;
  return [...rows, metric, op.normalize, mining, op.margin, op.seed, op.soft, op.swap, reduction, result, gradX];
}

export function batchTripletResult([loss, numTriplets, numActive]: Float64Array): BatchTripletResult {
  return { loss: loss as number, numTriplets: numTriplets as number, numActive: numActive as number };
}
