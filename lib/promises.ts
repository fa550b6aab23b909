// hypersphere/promises: the same names as the package, off the event loop. Only what can leave the loop is here: `matmul`,
// `distances`, `normalize`, their gradients, `nearest`, `search` (a Gallery's) and `centerLoss`. Everything else exists in the synchronous face alone, and belongs in
// a worker. `updateCenters` stays there on purpose: it works in place, and an abort or an error would leave half of the centers moved.
//
// Memory: an ordinary ArrayBuffer can be detached or resized while an op runs, so inputs in one are copied at the call and may
// be changed at once. Views of a fixed-length SharedArrayBuffer (`alloc`) are used in place and must be left alone until the
// promise settles.
import { backend, tasks } from './backend.js';
import { checkMemory, checkOptions, type Labels, looksLikeMatrix } from './checks.js';
import {
  type DistancesGradient,
  type DistancesGradientOptions,
  type DistancesGradients,
  type DistancesOptions,
  distancesGradientOptions,
  distancesOptions,
  resolveDistances,
  resolveDistancesGradient,
  splitArguments,
} from './distances.js';
import { allocated, describe, failure } from './errors.js';
import { type Gallery, prepareSearch } from './heads/gallery.js';
import { type CenterLossOptions, type CenterLossResult, centerLossOptions, resolveCenterLoss } from './losses/center.js';
import type { Backward, OptionalGradients } from './losses/outputs.js';
import { type MatmulOptions, matmulOptions, resolveMatmul } from './matmul.js';
import type { Bfloat16Matrix, IndexMatrix, Matrix } from './matrix.js';
import { fromNative, type NativeTask, type NativeTasks } from './native/binding.js';
import {
  type NearestOptions,
  type Neighbours,
  nearestOptions,
  resolveNearest,
  type SearchOptions,
  searchOptions,
  splitGallery,
} from './nearest.js';
import { type NormalizeOptions, normalizeOptions, resolveNormalize, resolveNormalizeGradient } from './normalize.js';
import type { Values } from './ops/types.js';

export interface Abortable {
  /**
   * Stops the op: one that waits is taken out of the queue, one that runs stops at its next block. The promise rejects with
   * `signal.reason` once nothing touches the buffers any more; what an `out` then holds is unspecified.
   */
  readonly signal?: AbortSignal;
}

function splitSignal<Options extends Abortable>(options: Options, known: readonly string[]) {
  const { signal, ...rest } = checkOptions(options, [...known, 'signal']);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw failure('ERR_TYPE', 'options.signal', 'an AbortSignal', describe(signal));
  }
  return { signal, rest };
}

type Elements = Float32Array | Int32Array | Uint16Array;

/** Ordinary memory of the same type and length. */
function fresh<T extends Elements>(argument: string, like: T): T {
  const type = like instanceof Float32Array ? Float32Array : like instanceof Int32Array ? Int32Array : Uint16Array;
  return allocated(argument, `a copy of ${like.length} values`, () => new type(like.length) as T);
}

/** Memory that stays as it is while other code runs: shared memory itself, a copy of anything else. */
function stable<T extends Elements>(argument: string, values: T): T {
  const { buffer } = values;
  if (!(buffer instanceof SharedArrayBuffer)) {
    // Five times as fast as `new Float32Array(values)` on Node 20.
    const copy = fresh(argument, values);
    copy.set(values);
    return copy;
  }
  if ((buffer as SharedArrayBuffer & { growable?: boolean }).growable) {
    throw failure('ERR_TYPE', argument, 'ordinary memory or a SharedArrayBuffer of fixed length', 'a growable SharedArrayBuffer');
  }
  return values;
}

type Result = Matrix | IndexMatrix;

/** Where the op writes: `out` itself if shared, else memory of its own, to be copied to `out` at the end. */
function stableOutput<T extends Result>(given: T | undefined, out: T, argument = 'options.out'): T['data'] {
  if (given === undefined) return out.data;
  const memory: Elements = out.data;
  return memory.buffer instanceof SharedArrayBuffer ? stable(argument, memory) : fresh(argument, memory);
}

/** The caller's `out`, filled; it may have been detached or shrunk while the op ran. */
function delivered<T extends Result>(written: ArrayLike<number>, given: T | undefined, out: T, argument = 'options.out'): T {
  checkMemory({ [argument]: out }, {});
  if (written !== out.data) out.data.set(written);
  return given ?? out;
}

const cancels = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `cancel` when the signal aborts, until the returned function is called. One listener a signal: many calls may share one. */
function onAbort(signal: AbortSignal, cancel: () => void): () => void {
  let own = cancels.get(signal);
  if (!own) {
    const all = new Set<() => void>();
    cancels.set(signal, (own = all));
    signal.addEventListener('abort', () => all.forEach((stop) => stop()), { once: true });
  }
  const all = own.add(cancel);
  return () => all.delete(cancel);
}

/** Runs the op where it does not block the loop, if the backend can. The op's memory must be stable. */
function run<Name extends keyof NativeTasks>(
  name: Name,
  op: Parameters<NativeTasks[Name]>[0],
  signal: AbortSignal | undefined,
): Promise<Awaited<ReturnType<NativeTasks[Name]>['promise']>> {
  type Result = Awaited<ReturnType<NativeTasks[Name]>['promise']>;
  const start = tasks()?.[name] as ((op: unknown) => NativeTask<Result>) | undefined;
  return settled(start && (() => start(op)), () => (backend()[name] as (op: unknown) => Result)(op), signal);
}

/** What `start` leads to, or, without it, `compute` in a later turn of the loop. */
async function settled<Result>(
  start: (() => NativeTask<Result>) | undefined,
  compute: () => Result,
  signal: AbortSignal | undefined,
): Promise<Result> {
  signal?.throwIfAborted();
  if (!start) {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    return compute();
  }
  let result: Result;
  let forget: (() => void) | undefined;
  try {
    const { promise, cancel } = start();
    forget = signal && onAbort(signal, cancel);
    result = await promise;
  } catch (error) {
    signal?.throwIfAborted();
    throw fromNative(error);
  } finally {
    forget?.();
  }
  signal?.throwIfAborted();
  return result;
}

/**
 * `matmul` off the event loop. On the TypeScript backend it runs on the loop, in a later turn.
 * Rejects with what the synchronous `matmul` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when `out` was
 * detached meanwhile, and with `signal.reason`.
 */
export async function matmul(a: Matrix, b: Matrix, options: MatmulOptions & Abortable = {}): Promise<Matrix> {
  const { signal, rest } = splitSignal(options, matmulOptions);
  const { op, out, given } = resolveMatmul(a, b, rest);
  const moved = { ...op, a: stable('a', floats(op.a)), b: stable('b', floats(op.b)), out: stableOutput(given, out) };
  await run('matmul', moved, signal);
  return delivered(moved.out, given, out);
}

/**
 * `distances` off the event loop. On the TypeScript backend it runs on the loop, in a later turn.
 * Rejects with what the synchronous `distances` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when `out`
 * was detached meanwhile, and with `signal.reason`.
 */
export async function distances(x: Matrix, options?: DistancesOptions & Abortable): Promise<Matrix>;
export async function distances(x: Matrix, y: Matrix, options?: DistancesOptions & Abortable): Promise<Matrix>;
export async function distances(
  x: Matrix,
  yOrOptions: Matrix | (DistancesOptions & Abortable) = {},
  more: DistancesOptions & Abortable = {},
): Promise<Matrix> {
  const [y, options] = splitArguments(yOrOptions, more);
  const { signal, rest } = splitSignal(options, distancesOptions);
  const { op, out, given } = resolveDistances(x, y, rest);
  const moved = { ...op, ...stableRows(op), out: stableOutput(given, out) };
  await run('distances', moved, signal);
  return delivered(moved.out, given, out);
}

/**
 * `distancesGradient` off the event loop. On the TypeScript backend it runs on the loop, in a later turn.
 * Rejects with what the synchronous `distancesGradient` throws, with ERR_TYPE for a growable SharedArrayBuffer and with `signal.reason`.
 */
export async function distancesGradient(
  x: Matrix,
  gradOutput: Matrix,
  options?: DistancesGradientOptions & Abortable,
): Promise<DistancesGradient>;
export async function distancesGradient(
  x: Matrix,
  y: Matrix,
  gradOutput: Matrix,
  options?: DistancesGradientOptions & Abortable,
): Promise<DistancesGradients>;
export async function distancesGradient(
  x: Matrix,
  second: Matrix,
  third: Matrix | (DistancesGradientOptions & Abortable) = {},
  fourth: DistancesGradientOptions & Abortable = {},
): Promise<DistancesGradient | DistancesGradients> {
  const both = looksLikeMatrix(third);
  const { signal, rest } = splitSignal(both ? fourth : third, distancesGradientOptions);
  const { op, finish } = resolveDistancesGradient(x, second, both ? third : rest, rest);
  await run('distancesGradient', { ...op, ...stableRows(op), gradOutput: stable('gradOutput', floats(op.gradOutput)) }, signal);
  return finish();
}

/**
 * `nearest` off the event loop. On the TypeScript backend it runs on the loop, in a later turn.
 * Rejects with what the synchronous `nearest` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when an `out`
 * was detached meanwhile, and with `signal.reason`.
 */
export async function nearest(x: Matrix, options?: NearestOptions & Abortable): Promise<Neighbours>;
export async function nearest(x: Matrix, gallery: Matrix | Bfloat16Matrix, options?: NearestOptions & Abortable): Promise<Neighbours>;
export async function nearest(
  x: Matrix,
  second: Matrix | Bfloat16Matrix | (NearestOptions & Abortable) = {},
  more: NearestOptions & Abortable = {},
): Promise<Neighbours> {
  const [gallery, options] = splitGallery(second, more);
  const { signal, rest } = splitSignal(options, nearestOptions);
  const { op, ...out } = resolveNearest(x, gallery, rest);
  const stableX = stable('x', floats(op.x));
  const labels = stable('options.labels', op.labels);
  const moved = {
    ...op,
    x: stableX,
    gallery: op.gallery === op.x ? stableX : stable('gallery', op.gallery as Float32Array | Uint16Array),
    labels,
    galleryLabels: op.galleryLabels === op.labels ? labels : stable('options.galleryLabels', op.galleryLabels),
    ...stableNeighbours(out),
  };
  await run('nearest', moved, signal);
  return deliveredNeighbours(moved, out);
}

/**
 * `gallery.search(x, options)` off the event loop. On the TypeScript backend it runs on the loop, in a later turn. The gallery may be
 * disposed meanwhile: its memory stays until the search has ended.
 * Rejects with what `Gallery.search` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when an `out` was
 * detached meanwhile, and with `signal.reason`.
 */
export async function search(gallery: Gallery, x: Matrix, options: SearchOptions & Abortable = {}): Promise<Neighbours> {
  if (typeof (gallery as Partial<Gallery> | undefined)?.[prepareSearch] !== 'function') {
    throw failure('ERR_TYPE', 'gallery', 'a Gallery', describe(gallery));
  }
  const { signal, rest } = splitSignal(options, searchOptions);
  const { packed, op, out } = gallery[prepareSearch](x, rest);
  const moved = { ...op, x: stable('x', floats(op.x)), labels: stable('options.labels', op.labels), ...stableNeighbours(out) };
  await settled(packed.start && (() => packed.start?.(moved) as NativeTask), () => packed.search(moved), signal);
  return deliveredNeighbours(moved, out);
}

const neighbourNames = { indices: 'options.out.indices', distances: 'options.out.distances' } as const;
type NeighbourOutputs = Neighbours & { readonly given: Partial<Neighbours> };

function stableNeighbours({ indices, distances, given }: NeighbourOutputs) {
  return {
    indices: stableOutput(given.indices, indices, neighbourNames.indices),
    distances: stableOutput(given.distances, distances, neighbourNames.distances),
  };
}

function deliveredNeighbours(
  written: { readonly indices: ArrayLike<number>; readonly distances: ArrayLike<number> },
  { indices, distances, given }: NeighbourOutputs,
): Neighbours {
  return {
    indices: delivered(written.indices, given.indices, indices, neighbourNames.indices),
    distances: delivered(written.distances, given.distances, distances, neighbourNames.distances),
  };
}

// The face passes Float32Arrays only.
const floats = (values: Values): Float32Array => values as Float32Array;

/** Self-distances are marked by y being x, so one copy serves both. */
function stableRows({ x, y }: { readonly x: Values; readonly y: Values }) {
  const stableX = stable('x', floats(x));
  return { x: stableX, y: y === x ? stableX : stable('y', floats(y)) };
}

/**
 * `normalize` off the event loop. On the TypeScript backend it runs on the loop, in a later turn.
 * Rejects with what the synchronous `normalize` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when `out`
 * was detached meanwhile, and with `signal.reason`.
 */
export async function normalize(x: Matrix, options: NormalizeOptions & Abortable = {}): Promise<Matrix> {
  const { signal, rest } = splitSignal(options, normalizeOptions);
  const { op, out, given } = resolveNormalize(x, rest);
  const moved = { ...op, x: stable('x', floats(op.x)), out: stableOutput(given, out) };
  await run('normalize', moved, signal);
  return delivered(moved.out, given, out);
}

/**
 * `normalizeGradient` off the event loop. On the TypeScript backend it runs on the loop, in a later turn.
 * Rejects as `normalize` does.
 */
export async function normalizeGradient(x: Matrix, gradOutput: Matrix, options: NormalizeOptions & Abortable = {}): Promise<Matrix> {
  const { signal, rest } = splitSignal(options, normalizeOptions);
  const { op, out, given } = resolveNormalizeGradient(x, gradOutput, rest);
  const moved = {
    ...op,
    x: stable('x', floats(op.x)),
    gradOutput: stable('gradOutput', floats(op.gradOutput)),
    gradX: stableOutput(given, out),
  };
  await run('normalizeGradient', moved, signal);
  return delivered(moved.gradX, given, out);
}

/**
 * `centerLoss` off the event loop. On the TypeScript backend it runs on the loop, in a later turn. Labels are copied at the call.
 * Centers in ordinary memory are copied too, which takes O(C·D): keep large ones in memory of `alloc`.
 * Rejects with what the synchronous `centerLoss` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when an
 * `out` was detached meanwhile, and with `signal.reason`.
 */
export async function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options?: CenterLossOptions & Backward & Abortable,
): Promise<CenterLossResult>;
export async function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options?: CenterLossOptions & Abortable,
): Promise<OptionalGradients<CenterLossResult>>;
export async function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options: CenterLossOptions & Abortable = {},
): Promise<OptionalGradients<CenterLossResult>> {
  const { signal, rest } = splitSignal(options, centerLossOptions);
  const { op, finish, gradEmbeddings, gradCenters, given } = resolveCenterLoss(x, labels, centers, rest);
  const gradX = gradEmbeddings && stableOutput(given.gradEmbeddings, gradEmbeddings, 'options.out.gradEmbeddings');
  const toCenters = gradCenters && stableOutput(given.gradCenters, gradCenters, 'options.out.gradCenters');
  const inputs = { x: stable('x', floats(op.x)), labels: op.labels.slice(), centers: stable('centers', floats(op.centers)) };
  const loss = await run('centerLoss', { ...op, ...inputs, gradX, gradCenters: toCenters }, signal);
  checkMemory({ 'options.out.gradEmbeddings': gradEmbeddings, 'options.out.gradCenters': gradCenters }, {});
  if (gradX && gradX !== gradEmbeddings.data) gradEmbeddings.data.set(gradX);
  if (toCenters && toCenters !== gradCenters.data) gradCenters.data.set(toCenters);
  return finish(loss);
}
