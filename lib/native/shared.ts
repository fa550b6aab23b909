// The ops that the addon has twice, for the CPU and for the device, with the same arguments (native/napi/implementation.h).
import {
  type DistanceOps,
  type DistancesOp,
  type MatmulOp,
  metrics,
  type NearestOp,
  type NormalizeGradientOp,
  type NormalizeOp,
  type PackGalleryOp,
} from '../ops/distances.js';
import { floats, type NativeTask, type TasksOf, translated } from './calls.js';
import { nearestArguments, packedGallery, type SearchAddon } from './search.js';

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
export type RowsArguments = [x: Float32Array, y: Float32Array, n: number, m: number, d: number, metric: number];
type DistancesArguments = [...RowsArguments, out: Float32Array];
type NormalizeArguments = [x: Float32Array, n: number, d: number, eps: number, out: Float32Array];
type NormalizeGradientArguments = [x: Float32Array, n: number, d: number, eps: number, gradOutput: Float32Array, gradX: Float32Array];

export interface SharedAddon extends SearchAddon {
  matmul(...args: MatmulArguments): void;
  matmulAsync(...args: MatmulArguments): NativeTask;
  distances(...args: DistancesArguments): void;
  distancesAsync(...args: DistancesArguments): NativeTask;
  normalize(...args: NormalizeArguments): void;
  normalizeAsync(...args: NormalizeArguments): NativeTask;
  normalizeGradient(...args: NormalizeGradientArguments): void;
  normalizeGradientAsync(...args: NormalizeGradientArguments): NativeTask;
}

/** What the addon has of the device. */
export interface DeviceAddon extends SharedAddon {
  /** Opens the driver, at the first call of the process. The reason why there is no device, or none any more; else its name. */
  info(): { readonly reason?: string; readonly name?: string; readonly driver?: number };
}

export type SharedOps = Pick<DistanceOps, 'matmul' | 'distances' | 'normalize' | 'normalizeGradient' | 'nearest' | 'packGallery'>;

function matmulArguments({ a, b, transposeA, transposeB, rows, inner, cols, out }: MatmulOp): MatmulArguments {
  return [floats(a), floats(b), transposeA, transposeB, rows, inner, cols, floats(out)];
}

export function rowsArguments({ x, y, n, m, d, metric }: Omit<DistancesOp, 'out'>): RowsArguments {
  return [floats(x), floats(y), n, m, d, metrics.indexOf(metric)];
}

function normalizeArguments({ x, n, d, eps, out }: NormalizeOp): NormalizeArguments {
  return [floats(x), n, d, eps, floats(out)];
}

function normalizeGradientArguments({ x, n, d, eps, gradOutput, gradX }: NormalizeGradientOp): NormalizeGradientArguments {
  return [floats(x), n, d, eps, floats(gradOutput), floats(gradX)];
}

export function sharedOps(addon: SharedAddon): SharedOps {
  return {
    matmul: translated((op: MatmulOp) => addon.matmul(...matmulArguments(op))),
    distances: translated((op: DistancesOp) => addon.distances(...rowsArguments(op), floats(op.out))),
    normalize: translated((op: NormalizeOp) => addon.normalize(...normalizeArguments(op))),
    normalizeGradient: translated((op: NormalizeGradientOp) => addon.normalizeGradient(...normalizeGradientArguments(op))),
    nearest: translated((op: NearestOp) => addon.nearest(...nearestArguments(op))),
    packGallery: translated((op: PackGalleryOp) => packedGallery(addon, op)),
  };
}

export function sharedTasks(addon: SharedAddon): TasksOf<Omit<SharedOps, 'packGallery'>> {
  return {
    matmul: (op) => addon.matmulAsync(...matmulArguments(op)),
    distances: (op) => addon.distancesAsync(...rowsArguments(op), floats(op.out)),
    normalize: (op) => addon.normalizeAsync(...normalizeArguments(op)),
    normalizeGradient: (op) => addon.normalizeGradientAsync(...normalizeGradientArguments(op)),
    nearest: (op) => addon.nearestAsync(...nearestArguments(op)),
  };
}
