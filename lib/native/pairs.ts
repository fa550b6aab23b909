// How the losses on pairs and triplets of a batch cross to the addon.
import {
  type BatchTripletOp,
  type BatchTripletResult,
  type PairDistance,
  pairDistances,
  type TermReduction,
  type TripletStrategy,
  tripletStrategies,
} from '../ops/pairs.js';

// In the order of the addon's enumerations, which end where the reference serves.
export const pairMetrics: readonly PairDistance[] = pairDistances.filter((distance) => distance !== 'snr');
const minings: readonly TripletStrategy[] = tripletStrategies.filter((strategy) => strategy !== 'faceNetSemiHard');
export const reductions: readonly TermReduction[] = ['mean', 'sum', 'meanPositive'];

export type BatchTripletArguments = [
  x: Float32Array,
  labels: Int32Array,
  n: number,
  d: number,
  metric: number,
  normalize: boolean,
  mining: number,
  margin: number,
  soft: boolean,
  swap: boolean,
  reduction: number,
  result: Float64Array,
  gradX: Float32Array | undefined,
];

/** A margin that the addon can compare float32 distances with. */
export const isFloat32 = (margin: number): boolean => Number.isFinite(Math.fround(margin));

/** Whether the addon has this form; `snr`, the random choice of `faceNetSemiHard`, a memory and margins beyond float32 are the reference's. */
export function hasBatchTriplet({ distance, mining, memory, margin }: BatchTripletOp): boolean {
  return !memory?.m && pairMetrics.includes(distance) && minings.includes(mining) && isFloat32(margin);
}

export function batchTripletArguments(op: BatchTripletOp, result: Float64Array): BatchTripletArguments {
  const [metric, mining, reduction] = [pairMetrics.indexOf(op.distance), minings.indexOf(op.mining), reductions.indexOf(op.reduction)];
  const [x, gradX] = [op.x as Float32Array, op.gradX as Float32Array | undefined];
  return [x, op.labels, op.n, op.d, metric, op.normalize, mining, op.margin, op.soft, op.swap, reduction, result, gradX];
}

export function batchTripletResult([loss, numTriplets, numActive]: Float64Array): BatchTripletResult {
  return { loss: loss as number, numTriplets: numTriplets as number, numActive: numActive as number };
}
