// The ops that the addon has, as a part of Backend. Arguments cross positionally and as primitives or typed arrays, so that
// the addon reads no property and runs no JavaScript between taking a pointer and using it.
import type { BatchLossOps, ProxyAnchorOp } from '../ops/batch-losses.js';
import type { CenterLossOp, CenterOps, CenterReduction, UpdateCentersOp } from '../ops/centers.js';
import type { DistanceOps, DistancesGradientOp } from '../ops/distances.js';
import type { BatchTripletOp, ContrastiveOp, PairOps, TripletOp } from '../ops/pairs.js';
import type { RankOps, RanksOp } from '../ops/ranks.js';
import type { MarginSoftmaxOp, SoftmaxCrossEntropyOp, SoftmaxGradientOp, SoftmaxOp, SoftmaxOps } from '../ops/softmax.js';
import { type BatchLossArguments, type NativeBatchLosses, nativeBatchLosses } from './batch-losses.js';
import { floats, type NativeTask, type TasksOf, translated } from './calls.js';
import { deliverNaN } from './compared-rows.js';
import { type ContrastiveArguments, contrastiveArguments, type TripletArguments, tripletArguments } from './given-rows.js';
import { type BatchTripletArguments, batchTripletArguments, batchTripletResult } from './pairs.js';
import { type ProxyAnchorArguments, proxyAnchorArguments } from './proxies.js';
import { type DeviceAddon, type RowsArguments, rowsArguments, type SharedAddon, type SharedOps, sharedOps, sharedTasks } from './shared.js';
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

/** Instruction sets the kernels are built for, lowest first; neon on arm64 only. */
export const isas = ['baseline', 'avx2', 'avx512', 'neon'] as const;
export type Isa = (typeof isas)[number];

type GradientArguments = [...RowsArguments, gradOutput: Float32Array, gradX: Float32Array, gradY: Float32Array];

type CenterArguments = [x: Float32Array, labels: Int32Array, centers: Float32Array, n: number, d: number, classes: number];
type CenterLossArguments = [
  ...CenterArguments,
  scale: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradX: Float32Array | undefined,
  gradCenters: Float32Array | undefined,
];

type RanksArguments = [
  values: Float32Array,
  n: number,
  m: number,
  descending: boolean,
  rows: Int32Array,
  from: Int32Array,
  to: Int32Array,
  own: number,
  ranks: Int32Array,
  total: number,
];

/** What native/napi exports. */
export interface Addon extends SharedAddon {
  /** This is the first environment of the process that loaded the addon. */
  readonly first: boolean;
  info(): { readonly isa: Isa; readonly threads: number };
  setIsa(isa: Isa): boolean;
  setThreads(threads: number): void;
  /** Cancels every asynchronous op of this thread. */
  cancelTasks(): void;
  readonly cuda: DeviceAddon;
  distancesGradient(...args: GradientArguments): void;
  distancesGradientAsync(...args: GradientArguments): NativeTask;
  centerLoss(...args: CenterLossArguments): void;
  centerLossAsync(...args: CenterLossArguments): NativeTask;
  updateCenters(...args: [...CenterArguments, alpha: number]): void;
  /** Asks for huge pages under memory that nothing has written yet. */
  adviseHuge(data: Float32Array, length: number): void;
  softmax(...args: SoftmaxArguments): void;
  softmaxCrossEntropy(...args: CrossEntropyArguments): void;
  softmaxCrossEntropyAsync(...args: CrossEntropyArguments): NativeTask;
  marginSoftmax(...args: HeadArguments): void;
  marginSoftmaxAsync(...args: HeadArguments): NativeTask;
  /** Starts MPI, once in a process, by this library or by the first of the usual names. */
  mpiStart(library: string): { readonly rank: number; readonly size: number; readonly library: string };
  /** Blocks of `bytes` between all ranks: the one of `from` to everybody, or block r of `from` to rank r. `to` holds one of each rank. */
  mpiAllGather(from: Uint8Array, to: Uint8Array, fromBlocks: number, toBlocks: number, bytes: number): void;
  mpiAllToAll(from: Uint8Array, to: Uint8Array, fromBlocks: number, toBlocks: number, bytes: number): void;
  mpiFinish(): void;
  /** Bytes of scratch memory that ops held, the most at one time since this was last asked. */
  workspacePeak(): number;
  batchLoss(...args: BatchLossArguments): void;
  proxyAnchorLoss(...args: ProxyAnchorArguments): void;
  batchTripletLoss(...args: BatchTripletArguments): void;
  contrastiveLoss(...args: ContrastiveArguments): void;
  tripletLoss(...args: TripletArguments): void;
  relevantRanks(...args: RanksArguments): void;
  toBfloat16(x: Float32Array, length: number, out: Uint16Array): void;
  fromBfloat16(x: Uint16Array, length: number, out: Float32Array): void;
}

/** What may be long enough to leave the event loop. */
type LongOps = Omit<SharedOps, 'packGallery'> &
  Pick<DistanceOps, 'distancesGradient'> &
  Pick<CenterOps, 'centerLoss'> &
  Pick<SoftmaxOps, 'softmaxCrossEntropy' | 'marginSoftmax'>;
export type NativeOps = LongOps &
  Pick<SharedOps, 'packGallery'> &
  Pick<DistanceOps, 'toBfloat16' | 'fromBfloat16'> &
  Pick<CenterOps, 'updateCenters'> &
  Pick<BatchLossOps, 'proxyAnchorLoss'> &
  Pick<PairOps, 'contrastiveLoss' | 'tripletLoss' | 'batchTripletLoss'> &
  RankOps &
  NativeBatchLosses &
  Pick<SoftmaxOps, 'softmax' | 'softmaxGradient'>;
/** The same ops off the event loop, but for `updateCenters`: it works in place, and half of it is not an outcome. */
export type NativeTasks = TasksOf<LongOps>;

function gradientArguments(op: DistancesGradientOp): GradientArguments {
  return [...rowsArguments(op), floats(op.gradOutput), floats(op.gradX), floats(op.gradY)];
}

function centerArguments({ x, labels, centers, n, d, classes }: Omit<UpdateCentersOp, 'alpha'>): CenterArguments {
  return [floats(x), labels, floats(centers), n, d, classes];
}

function lossScale(reduction: CenterReduction, n: number): number {
  return (reduction === 'mean' ? 1 : 0.5) / (reduction === 'halfSum' ? 1 : Math.max(n, 1));
}

function centerLossArguments(op: CenterLossOp, loss: Float64Array): CenterLossArguments {
  const gradients = [op.gradX && floats(op.gradX), op.gradCenters && floats(op.gradCenters)] as const;
  return [...centerArguments(op), lossScale(op.reduction, op.n), loss, floats(op.perExample), ...gradients];
}

export function nativeOps(addon: Addon): NativeOps {
  return {
    ...sharedOps(addon),
    distancesGradient: translated((op: DistancesGradientOp) => addon.distancesGradient(...gradientArguments(op))),
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
    relevantRanks: translated(({ values, n, m, descending, rows, from, to, own, ranks }: RanksOp) =>
      addon.relevantRanks(values, n, m, descending, rows, from, to, own, ranks, ranks.length),
    ),
    toBfloat16: translated(({ x, out }) => addon.toBfloat16(x, x.length, out)),
    fromBfloat16: translated(({ x, out }) => addon.fromBfloat16(x, x.length, out)),
  };
}

export function nativeTasks(addon: Addon): NativeTasks {
  return {
    ...sharedTasks(addon),
    distancesGradient: (op) => addon.distancesGradientAsync(...gradientArguments(op)),
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
