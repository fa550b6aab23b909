// The ops that the addon has, as a part of Backend. Arguments cross positionally and as primitives or typed arrays, so that
// the addon reads no property and runs no JavaScript between taking a pointer and using it.
import { type ErrorCode, failure } from '../errors.js';
import {
  type DistanceOps,
  type DistancesGradientOp,
  type DistancesOp,
  type MatmulOp,
  metrics,
  type NearestOp,
  nearestFilters,
  type PackedGallery,
  type PackGalleryOp,
  type SearchOp,
} from '../ops/distances.js';
import type { Values } from '../ops/types.js';

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
];
type SearchArguments = [
  x: Float32Array,
  n: number,
  k: number,
  filter: number,
  labels: Int32Array,
  indices: Int32Array,
  distances: Float32Array,
];

/** Packed rows that the addon keeps. */
interface NativeGallery {
  search(...args: SearchArguments): void;
  dispose(): void;
}

/** A queued op: `cancel` removes it from the queue or stops it at its next block, and `promise` then rejects with ERR_ABORTED. */
export interface NativeTask {
  readonly promise: Promise<void>;
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
  toBfloat16(x: Float32Array, length: number, out: Uint16Array): void;
  fromBfloat16(x: Uint16Array, length: number, out: Float32Array): void;
}

/** What may be long enough to leave the event loop. */
type LongOps = Pick<DistanceOps, 'matmul' | 'distances' | 'distancesGradient' | 'nearest'>;
export type NativeOps = LongOps & Pick<DistanceOps, 'packGallery' | 'toBfloat16' | 'fromBfloat16'>;
/** The same ops off the event loop. */
export type NativeTasks = { readonly [Name in keyof LongOps]: (op: Parameters<LongOps[Name]>[0]) => NativeTask };

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

const filterIndex = (filter: NearestOp['filter']): number => (filter === undefined ? 0 : nearestFilters.indexOf(filter) + 1);

function nearestArguments(op: NearestOp): NearestArguments {
  const { n, m, d, k, excludeSelf, labels, galleryLabels, indices } = op;
  const gallery = op.gallery as Float32Array | Uint16Array;
  const [metric, filter] = [metrics.indexOf(op.metric), filterIndex(op.filter)];
  return [floats(op.x), gallery, n, m, d, metric, k, excludeSelf, filter, labels, galleryLabels, indices, floats(op.distances)];
}

function packedGallery(addon: Addon, { gallery, m, d, metric, labels }: PackGalleryOp): PackedGallery {
  const rows = gallery as Float32Array | Uint16Array;
  const kept = addon.packGallery(rows, m, d, metrics.indexOf(metric), labels ?? new Int32Array(0), labels !== undefined);
  return {
    search: translated((op: SearchOp) =>
      kept.search(floats(op.x), op.n, op.k, filterIndex(op.filter), op.labels, op.indices, floats(op.distances)),
    ),
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
    nearest: translated((op: NearestOp) => addon.nearest(...nearestArguments(op))),
    packGallery: translated((op: PackGalleryOp) => packedGallery(addon, op)),
    toBfloat16: translated(({ x, out }) => addon.toBfloat16(x, x.length, out)),
    fromBfloat16: translated(({ x, out }) => addon.fromBfloat16(x, x.length, out)),
  };
}

export function nativeTasks(addon: Addon): NativeTasks {
  return {
    matmul: (op) => addon.matmulAsync(...matmulArguments(op)),
    distances: (op) => addon.distancesAsync(...rowsArguments(op), floats(op.out)),
    distancesGradient: (op) => addon.distancesGradientAsync(...gradientArguments(op)),
    nearest: (op) => addon.nearestAsync(...nearestArguments(op)),
  };
}
