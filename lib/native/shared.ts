// The ops that the addon has twice, for the CPU and for the device, with the same arguments (native/napi/implementation.h).
import type { BatchLossOps, ProxyAnchorOp } from '../ops/batch-losses.js';
import type { CenterLossOp, CenterOps, UpdateCentersOp } from '../ops/centers.js';
import {
  type DistanceOps,
  type DistancesGradientOp,
  type DistancesOp,
  type MatmulOp,
  metrics,
  type NearestOp,
  type NormalizeGradientOp,
  type NormalizeOp,
  type PackGalleryOp,
} from '../ops/distances.js';
import type { BatchTripletOp, ContrastiveOp, PairOps, TripletOp } from '../ops/pairs.js';
import type { MarginSoftmaxOp, SoftmaxCrossEntropyOp, SoftmaxGradientOp, SoftmaxOp, SoftmaxOps } from '../ops/softmax.js';
import { type BatchLossArguments, type NativeBatchLosses, nativeBatchLosses } from './batch-losses.js';
import { floats, type NativeTask, type TasksOf, translated } from './calls.js';
import { centerGradients, lossScale } from './centers.js';
import { deliverNaN } from './compared-rows.js';
import { type ContrastiveArguments, contrastiveArguments, type TripletArguments, tripletArguments } from './given-rows.js';
import { type BatchTripletArguments, batchTripletArguments, batchTripletResult } from './pairs.js';
import { type ProxyAnchorArguments, proxyAnchorArguments } from './proxies.js';
import type { ResidentAddon } from './resident.js';
import { nearestArguments, packedGallery, type SearchAddon } from './search.js';
import {
  type CrossEntropyArguments,
  crossEntropyArguments,
  type HeadArguments,
  headArguments,
  headResult,
  type SoftmaxArguments,
  softmaxArguments,
  softmaxGradientArguments,
} from './softmax.js';

type MatmulArguments = [
  a: Float32Array,
  b: Float32Array,
  transposeA: boolean,
  transposeB: boolean,
  rows: number,
  inner: number,
  cols: number,
  out: Float32Array,
];
type RowsArguments = [x: Float32Array, y: Float32Array, n: number, m: number, d: number, metric: number];
type DistancesArguments = [...RowsArguments, out: Float32Array];
type DistancesGradientArguments = [...RowsArguments, gradOutput: Float32Array, gradX: Float32Array, gradY: Float32Array];
type NormalizeArguments = [x: Float32Array, n: number, d: number, eps: number, out: Float32Array];
type NormalizeGradientArguments = [x: Float32Array, n: number, d: number, eps: number, gradOutput: Float32Array, gradX: Float32Array];

type CenterArguments = [x: Float32Array, labels: Int32Array, centers: Float32Array, n: number, d: number, classes: number];
type CenterLossArguments = [
  ...CenterArguments,
  scale: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradX: Float32Array | undefined,
  gradCenters: Float32Array | undefined,
];

export interface SharedAddon extends SearchAddon {
  matmul(...args: MatmulArguments): void;
  matmulAsync(...args: MatmulArguments): NativeTask;
  distances(...args: DistancesArguments): void;
  distancesAsync(...args: DistancesArguments): NativeTask;
  distancesGradient(...args: DistancesGradientArguments): void;
  distancesGradientAsync(...args: DistancesGradientArguments): NativeTask;
  normalize(...args: NormalizeArguments): void;
  normalizeAsync(...args: NormalizeArguments): NativeTask;
  normalizeGradient(...args: NormalizeGradientArguments): void;
  normalizeGradientAsync(...args: NormalizeGradientArguments): NativeTask;
  centerLoss(...args: CenterLossArguments): void;
  centerLossAsync(...args: CenterLossArguments): NativeTask;
  updateCenters(...args: [...CenterArguments, alpha: number]): void;
  softmax(...args: SoftmaxArguments): void;
  softmaxCrossEntropy(...args: CrossEntropyArguments): void;
  softmaxCrossEntropyAsync(...args: CrossEntropyArguments): NativeTask;
  marginSoftmax(...args: HeadArguments): void;
  marginSoftmaxAsync(...args: HeadArguments): NativeTask;
  batchTripletLoss(...args: BatchTripletArguments): void;
  batchLoss(...args: BatchLossArguments): void;
  contrastiveLoss(...args: ContrastiveArguments): void;
  tripletLoss(...args: TripletArguments): void;
  proxyAnchorLoss(...args: ProxyAnchorArguments): void;
}

/** What the addon has of the device. */
export interface DeviceAddon extends SharedAddon, ResidentAddon {
  /** The same ops with products on tensor cores, where the device has them. */
  readonly fast: SharedAddon;
  /** Opens the driver, at the first call of the process. The reason why there is no device, or none any more; else its name, and whether it has those. */
  info(): { readonly reason?: string; readonly name?: string; readonly driver?: number; readonly fast?: boolean };
  /** Lets go of the memory that this thread's last op, the first phase of a shard, holds for the second. */
  release(): void;
}

export type SharedOps = Pick<
  DistanceOps,
  'matmul' | 'distances' | 'distancesGradient' | 'normalize' | 'normalizeGradient' | 'nearest' | 'packGallery'
> &
  Pick<CenterOps, 'centerLoss' | 'updateCenters'> &
  Pick<PairOps, 'contrastiveLoss' | 'tripletLoss' | 'batchTripletLoss'> &
  Pick<BatchLossOps, 'proxyAnchorLoss'> &
  Pick<SoftmaxOps, 'softmax' | 'softmaxGradient' | 'softmaxCrossEntropy' | 'marginSoftmax'> &
  NativeBatchLosses;
/** Those that never leave the event loop: `updateCenters` works in place, and half of it is not an outcome. */
export const shortOps = [
  'packGallery',
  'updateCenters',
  'softmax',
  'softmaxGradient',
  'contrastiveLoss',
  'tripletLoss',
  'batchTripletLoss',
  'proxyAnchorLoss',
] as const;
/** What may be long enough to leave the event loop. */
export type LongOps = Omit<SharedOps, (typeof shortOps)[number] | keyof NativeBatchLosses>;

function matmulArguments({ a, b, transposeA, transposeB, rows, inner, cols, out }: MatmulOp): MatmulArguments {
  return [floats(a), floats(b), transposeA, transposeB, rows, inner, cols, floats(out)];
}

function rowsArguments({ x, y, n, m, d, metric }: Omit<DistancesOp, 'out'>): RowsArguments {
  return [floats(x), floats(y), n, m, d, metrics.indexOf(metric)];
}

function distancesGradientArguments(op: DistancesGradientOp): DistancesGradientArguments {
  return [...rowsArguments(op), floats(op.gradOutput), floats(op.gradX), floats(op.gradY)];
}

function normalizeArguments({ x, n, d, eps, out }: NormalizeOp): NormalizeArguments {
  return [floats(x), n, d, eps, floats(out)];
}

function normalizeGradientArguments({ x, n, d, eps, gradOutput, gradX }: NormalizeGradientOp): NormalizeGradientArguments {
  return [floats(x), n, d, eps, floats(gradOutput), floats(gradX)];
}

function centerArguments({ x, labels, centers, n, d, classes }: Omit<UpdateCentersOp, 'alpha'>): CenterArguments {
  return [floats(x), labels, floats(centers), n, d, classes];
}

function centerLossArguments(op: CenterLossOp, loss: Float64Array): CenterLossArguments {
  return [...centerArguments(op), lossScale(op.reduction, op.n), loss, floats(op.perExample), ...centerGradients(op)];
}

export function sharedOps(addon: SharedAddon): SharedOps {
  return {
    matmul: translated((op: MatmulOp) => addon.matmul(...matmulArguments(op))),
    distances: translated((op: DistancesOp) => addon.distances(...rowsArguments(op), floats(op.out))),
    distancesGradient: translated((op: DistancesGradientOp) => addon.distancesGradient(...distancesGradientArguments(op))),
    normalize: translated((op: NormalizeOp) => addon.normalize(...normalizeArguments(op))),
    normalizeGradient: translated((op: NormalizeGradientOp) => addon.normalizeGradient(...normalizeGradientArguments(op))),
    nearest: translated((op: NearestOp) => addon.nearest(...nearestArguments(op))),
    packGallery: translated((op: PackGalleryOp) => packedGallery(addon, op)),
    centerLoss: translated((op: CenterLossOp) => {
      const loss = new Float64Array(1);
      addon.centerLoss(...centerLossArguments(op, loss));
      return loss[0] as number;
    }),
    updateCenters: translated((op: UpdateCentersOp) => addon.updateCenters(...centerArguments(op), op.alpha)),
    softmax: translated((op: SoftmaxOp) => addon.softmax(...softmaxArguments(op))),
    softmaxGradient: translated((op: SoftmaxGradientOp) => addon.softmax(...softmaxGradientArguments(op))),
    softmaxCrossEntropy: translated((op: SoftmaxCrossEntropyOp) => {
      const loss = new Float64Array(1);
      addon.softmaxCrossEntropy(...crossEntropyArguments(op, loss));
      return loss[0] as number;
    }),
    marginSoftmax: translated((op: MarginSoftmaxOp) => {
      const result = new Float64Array(4);
      addon.marginSoftmax(...headArguments(op, result));
      return headResult(result);
    }),
    contrastiveLoss: translated((op: ContrastiveOp) => {
      const loss = new Float64Array(1);
      addon.contrastiveLoss(...contrastiveArguments(op, loss));
      return loss[0] as number;
    }),
    tripletLoss: translated((op: TripletOp) => {
      const loss = new Float64Array(1);
      addon.tripletLoss(...tripletArguments(op, loss));
      return loss[0] as number;
    }),
    batchTripletLoss: translated((op: BatchTripletOp) => {
      const result = new Float64Array(3);
      addon.batchTripletLoss(...batchTripletArguments(op, result));
      return batchTripletResult(result);
    }),
    proxyAnchorLoss: translated((op: ProxyAnchorOp) => {
      const loss = new Float64Array(1);
      addon.proxyAnchorLoss(...proxyAnchorArguments(op, loss));
      deliverNaN(loss[0] as number, op.gradX, op.gradProxies);
      return loss[0] as number;
    }),
    ...nativeBatchLosses((...args) => translated(() => addon.batchLoss(...args))(undefined)),
  };
}

export function sharedTasks(addon: SharedAddon): TasksOf<LongOps> {
  return {
    matmul: (op) => addon.matmulAsync(...matmulArguments(op)),
    distances: (op) => addon.distancesAsync(...rowsArguments(op), floats(op.out)),
    distancesGradient: (op) => addon.distancesGradientAsync(...distancesGradientArguments(op)),
    normalize: (op) => addon.normalizeAsync(...normalizeArguments(op)),
    normalizeGradient: (op) => addon.normalizeGradientAsync(...normalizeGradientArguments(op)),
    nearest: (op) => addon.nearestAsync(...nearestArguments(op)),
    centerLoss: (op) => {
      const loss = new Float64Array(1);
      const { promise, cancel } = addon.centerLossAsync(...centerLossArguments(op, loss));
      return { promise: promise.then(() => loss[0] as number), cancel };
    },
    softmaxCrossEntropy: (op) => {
      const loss = new Float64Array(1);
      const { promise, cancel } = addon.softmaxCrossEntropyAsync(...crossEntropyArguments(op, loss));
      return { promise: promise.then(() => loss[0] as number), cancel };
    },
    marginSoftmax: (op) => {
      const result = new Float64Array(4);
      const { promise, cancel } = addon.marginSoftmaxAsync(...headArguments(op, result));
      return { promise: promise.then(() => headResult(result)), cancel };
    },
  };
}
