// hypersphere/promises: the same names as the package, off the event loop. Only what can leave the loop is here: `matmul`,
// `distances`, `normalize`, their gradients, `nearest`, `search` (a Gallery's), and in losses/promises.ts `centerLoss`, `softmaxCrossEntropy`,
// `linearCrossEntropy` and `marginSoftmax`. Everything else exists in the synchronous face alone, and belongs in a worker. `updateCenters` and the
// step of a head stay there on purpose: they work in place, and an abort or an error would leave half of the rows moved.
//
// Memory: an ordinary ArrayBuffer can be detached or resized while an op runs, so inputs in one are copied at the call and may
// be changed at once. Views of a fixed-length SharedArrayBuffer (`alloc`) are used in place and must be left alone until the
// promise settles.
import { splitArguments } from './checks.js';
import {
  type DistancesGradient,
  type DistancesGradientOptions,
  type DistancesGradients,
  type DistancesOptions,
  distancesGradientOptions,
  distancesOptions,
  resolveDistances,
  resolveDistancesGradient,
  splitGradientArguments,
} from './distances.js';
import { describe, failure } from './errors.js';
import { type Gallery, prepareSearch } from './heads/gallery.js';
import { type MatmulOptions, matmulOptions, resolveMatmul } from './matmul.js';
import type { Bfloat16Matrix, Matrix } from './matrix.js';
import type { NativeTask } from './native/calls.js';
import { type NearestOptions, type Neighbours, nearestOptions, resolveNearest, type SearchOptions, searchOptions } from './nearest.js';
import { type NormalizeOptions, normalizeOptions, resolveNormalize, resolveNormalizeGradient } from './normalize.js';
import { type Abortable, delivered, floats, run, settled, splitSignal, stable, stableOutput } from './off-loop.js';
import type { Values } from './ops/types.js';

export * from './losses/promises.js';
export type { Abortable } from './off-loop.js';

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
  second?: Matrix | (DistancesOptions & Abortable),
  third?: DistancesOptions & Abortable,
): Promise<Matrix> {
  const [y, options] = splitArguments<Matrix, DistancesOptions & Abortable>(second, third);
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
  third?: Matrix | (DistancesGradientOptions & Abortable),
  fourth?: DistancesGradientOptions & Abortable,
): Promise<DistancesGradient | DistancesGradients> {
  const [y, gradOutput, options] = splitGradientArguments(second, third, fourth);
  const { signal, rest } = splitSignal(options, distancesGradientOptions);
  const { op, finish } = resolveDistancesGradient(x, y, gradOutput, rest);
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
  second?: Matrix | Bfloat16Matrix | (NearestOptions & Abortable),
  third?: NearestOptions & Abortable,
): Promise<Neighbours> {
  const [gallery, options] = splitArguments<Matrix | Bfloat16Matrix, NearestOptions & Abortable>(second, third);
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
