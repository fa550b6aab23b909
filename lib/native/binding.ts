// The ops that the addon has, as a part of Backend. Arguments cross positionally and as primitives or typed arrays, so that
// the addon reads no property and runs no JavaScript between taking a pointer and using it.
import { type ErrorCode, failure } from '../errors.js';
import type { BatchLossOps, ProxyAnchorOp } from '../ops/batch-losses.js';
import type { CenterLossOp, CenterOps, CenterReduction, UpdateCentersOp } from '../ops/centers.js';
import {
  type DistanceOps,
  type DistancesGradientOp,
  type DistancesOp,
  type MatmulOp,
  metrics,
  type NearestOp,
  type NormalizeGradientOp,
  type NormalizeOp,
  nearestFilters,
  type PackedGallery,
  type PackGalleryOp,
  type SearchOp,
} from '../ops/distances.js';
import type { BatchTripletOp, ContrastiveOp, PairOps, TripletOp } from '../ops/pairs.js';
import type { RankOps, RanksOp } from '../ops/ranks.js';
import type { MarginSoftmaxOp, SoftmaxCrossEntropyOp, SoftmaxGradientOp, SoftmaxOp, SoftmaxOps } from '../ops/softmax.js';
import type { Values } from '../ops/types.js';
import { type BatchLossArguments, type NativeBatchLosses, nativeBatchLosses } from './batch-losses.js';
import { deliverNaN } from './compared-rows.js';
import { type ContrastiveArguments, contrastiveArguments, type TripletArguments, tripletArguments } from './given-rows.js';
import { type BatchTripletArguments, batchTripletArguments, batchTripletResult } from './pairs.js';
import { type ProxyAnchorArguments, proxyAnchorArguments } from './proxies.js';
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
type GradientArguments = [...RowsArguments, gradOutput: Float32Array, gradX: Float32Array, gradY: Float32Array];

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

type NearestArguments = [
  x: Float32Array,
  gallery: Float32Array | Uint16Array,
  n: number,
  m: number,
  d: number,
  metric: number,
  k: number,
  excludeSelf: boolean,
  filter: number,
  labels: Int32Array,
  galleryLabels: Int32Array,
  indices: Int32Array,
  distances: Float32Array,
  beyond: Float32Array | undefined,
  within: Float32Array | undefined,
];
type SearchArguments = [
  x: Float32Array,
  n: number,
  k: number,
  filter: number,
  labels: Int32Array,
  indices: Int32Array,
  distances: Float32Array,
  beyond: Float32Array | undefined,
  within: Float32Array | undefined,
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

/** Packed rows that the addon keeps. */
interface NativeGallery {
  search(...args: SearchArguments): void;
  searchAsync(...args: SearchArguments): NativeTask;
  dispose(): void;
}

/** A queued op: `cancel` removes it from the queue or stops it at its next block, and `promise` then rejects with ERR_ABORTED. */
export interface NativeTask<Result = void> {
  readonly promise: Promise<Result>;
  cancel(): void;
}

/** What native/napi exports. */
export interface Addon {
  /** This is the first environment of the process that loaded the addon. */
  readonly first: boolean;
  info(): { readonly isa: Isa; readonly threads: number };
  setIsa(isa: Isa): boolean;
  setThreads(threads: number): void;
  /** Cancels every asynchronous op of this thread. */
  cancelTasks(): void;
  matmul(...args: MatmulArguments): void;
  matmulAsync(...args: MatmulArguments): NativeTask;
  distances(...args: DistancesArguments): void;
  distancesAsync(...args: DistancesArguments): NativeTask;
  distancesGradient(...args: GradientArguments): void;
  distancesGradientAsync(...args: GradientArguments): NativeTask;
  normalize(...args: NormalizeArguments): void;
  normalizeAsync(...args: NormalizeArguments): NativeTask;
  normalizeGradient(...args: NormalizeGradientArguments): void;
  normalizeGradientAsync(...args: NormalizeGradientArguments): NativeTask;
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
  nearest(...args: NearestArguments): void;
  nearestAsync(...args: NearestArguments): NativeTask;
  packGallery(
    gallery: Float32Array | Uint16Array,
    m: number,
    d: number,
    metric: number,
    labels: Int32Array,
    labelled: boolean,
  ): NativeGallery;
  batchLoss(...args: BatchLossArguments): void;
  proxyAnchorLoss(...args: ProxyAnchorArguments): void;
  batchTripletLoss(...args: BatchTripletArguments): void;
  contrastiveLoss(...args: ContrastiveArguments): void;
  tripletLoss(...args: TripletArguments): void;
  relevantRanks(...args: RanksArguments): void;
  toBfloat16(x: Float32Array, length: number, out: Uint16Array): void;
  fromBfloat16(x: Uint16Array, length: number, out: Float32Array): void;
}

type LongDistanceOps = 'matmul' | 'distances' | 'distancesGradient' | 'normalize' | 'normalizeGradient' | 'nearest';
/** What may be long enough to leave the event loop. */
type LongOps = Pick<DistanceOps, LongDistanceOps> &
  Pick<CenterOps, 'centerLoss'> &
  Pick<SoftmaxOps, 'softmaxCrossEntropy' | 'marginSoftmax'>;
export type NativeOps = LongOps &
  Pick<DistanceOps, 'packGallery' | 'toBfloat16' | 'fromBfloat16'> &
  Pick<CenterOps, 'updateCenters'> &
  Pick<BatchLossOps, 'proxyAnchorLoss'> &
  Pick<PairOps, 'contrastiveLoss' | 'tripletLoss' | 'batchTripletLoss'> &
  RankOps &
  NativeBatchLosses &
  Pick<SoftmaxOps, 'softmax' | 'softmaxGradient'>;
/** The same ops off the event loop, but for `updateCenters`: it works in place, and half of it is not an outcome. */
export type NativeTasks = {
  readonly [Name in keyof LongOps]: (op: Parameters<LongOps[Name]>[0]) => NativeTask<ReturnType<LongOps[Name]>>;
};

// The face passes Float32Arrays only; float64 is for the gradient checks, which call the reference backend directly.
const floats = (values: Values): Float32Array => values as Float32Array;

function matmulArguments({ a, b, transposeA, transposeB, rows, inner, cols, out }: MatmulOp): MatmulArguments {
  return [floats(a), floats(b), transposeA, transposeB, rows, inner, cols, floats(out)];
}

function rowsArguments({ x, y, n, m, d, metric }: Omit<DistancesOp, 'out'>): RowsArguments {
  return [floats(x), floats(y), n, m, d, metrics.indexOf(metric)];
}

function gradientArguments(op: DistancesGradientOp): GradientArguments {
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

function lossScale(reduction: CenterReduction, n: number): number {
  return (reduction === 'mean' ? 1 : 0.5) / (reduction === 'halfSum' ? 1 : Math.max(n, 1));
}

function centerLossArguments(op: CenterLossOp, loss: Float64Array): CenterLossArguments {
  const gradients = [op.gradX && floats(op.gradX), op.gradCenters && floats(op.gradCenters)] as const;
  return [...centerArguments(op), lossScale(op.reduction, op.n), loss, floats(op.perExample), ...gradients];
}

const filterIndex = (filter: NearestOp['filter']): number => (filter === undefined ? 0 : nearestFilters.indexOf(filter) + 1);

const bounds = ({ beyond, within }: SearchOp) => [beyond && floats(beyond), within && floats(within)] as const;

function nearestArguments(op: NearestOp): NearestArguments {
  const { n, m, d, k, excludeSelf, labels, galleryLabels, indices } = op;
  const gallery = op.gallery as Float32Array | Uint16Array;
  const [metric, filter] = [metrics.indexOf(op.metric), filterIndex(op.filter)];
  const outputs = [indices, floats(op.distances)] as const;
  return [floats(op.x), gallery, n, m, d, metric, k, excludeSelf, filter, labels, galleryLabels, ...outputs, ...bounds(op)];
}

function searchArguments(op: SearchOp): SearchArguments {
  const { x, n, k, filter, labels, indices, distances } = op;
  return [floats(x), n, k, filterIndex(filter), labels, indices, floats(distances), ...bounds(op)];
}

function packedGallery(addon: Addon, { gallery, m, d, metric, labels }: PackGalleryOp): PackedGallery {
  const rows = gallery as Float32Array | Uint16Array;
  const kept = addon.packGallery(rows, m, d, metrics.indexOf(metric), labels ?? new Int32Array(0), labels !== undefined);
  return {
    search: translated((op: SearchOp) => kept.search(...searchArguments(op))),
    start: (op) => kept.searchAsync(...searchArguments(op)),
    dispose: () => kept.dispose(),
  };
}

/** An error of the addon as the library's own; anything else as it is. */
export function fromNative(error: unknown): unknown {
  const { code, argument, expected, received } = error as { code?: ErrorCode; argument?: string; expected?: string; received?: string };
  return code && argument && expected && received ? failure(code, argument, expected, received) : error;
}

function translated<Op, Result>(run: (op: Op) => Result): (op: Op) => Result {
  return (op) => {
    try {
      return run(op);
    } catch (error) {
      throw fromNative(error);
    }
  };
}

export function nativeOps(addon: Addon): NativeOps {
  return {
    matmul: translated((op: MatmulOp) => addon.matmul(...matmulArguments(op))),
    distances: translated((op: DistancesOp) => addon.distances(...rowsArguments(op), floats(op.out))),
    distancesGradient: translated((op: DistancesGradientOp) => addon.distancesGradient(...gradientArguments(op))),
    normalize: translated((op: NormalizeOp) => addon.normalize(...normalizeArguments(op))),
    normalizeGradient: translated((op: NormalizeGradientOp) => addon.normalizeGradient(...normalizeGradientArguments(op))),
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
    nearest: translated((op: NearestOp) => addon.nearest(...nearestArguments(op))),
    packGallery: translated((op: PackGalleryOp) => packedGallery(addon, op)),
    relevantRanks: translated(({ values, n, m, descending, rows, from, to, own, ranks }: RanksOp) =>
      addon.relevantRanks(values, n, m, descending, rows, from, to, own, ranks, ranks.length),
    ),
    toBfloat16: translated(({ x, out }) => addon.toBfloat16(x, x.length, out)),
    fromBfloat16: translated(({ x, out }) => addon.fromBfloat16(x, x.length, out)),
  };
}

export function nativeTasks(addon: Addon): NativeTasks {
  return {
    matmul: (op) => addon.matmulAsync(...matmulArguments(op)),
    distances: (op) => addon.distancesAsync(...rowsArguments(op), floats(op.out)),
    distancesGradient: (op) => addon.distancesGradientAsync(...gradientArguments(op)),
    normalize: (op) => addon.normalizeAsync(...normalizeArguments(op)),
    normalizeGradient: (op) => addon.normalizeGradientAsync(...normalizeGradientArguments(op)),
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
    nearest: (op) => addon.nearestAsync(...nearestArguments(op)),
  };
}
