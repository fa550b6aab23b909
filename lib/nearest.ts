import { backend } from './backend.js';
import {
  checkChoice,
  checkIndexMatrix,
  checkInteger,
  checkLabels,
  checkMatrix,
  checkMatrixOf,
  checkMemory,
  checkOptions,
  checkOut,
  checkRows,
  type Labels,
  splitArguments,
} from './checks.js';
import { failure } from './errors.js';
import { zeros } from './fresh.js';
import type { Bfloat16Matrix, IndexMatrix, Matrix } from './matrix.js';
import { type Metric, metrics, type NearestFilter, type NearestOp, nearestFilters } from './ops/distances.js';

export interface SearchOptions {
  /** Neighbours per row, from 1 to the number of candidates; default 1. */
  readonly k?: number;
  /**
   * Only candidates of the row's own class (`same`), or only those of another (`different`), count. Where that leaves fewer than
   * k, index −1 and distance NaN fill up.
   */
  readonly filter?: NearestFilter;
  /** Classes of the rows of x, [N], any int32; with a filter only. */
  readonly labels?: Labels;
  /** [N, k] each, memory apart from the inputs and from one another. */
  readonly out?: { readonly indices?: IndexMatrix; readonly distances?: Matrix };
}

export interface NearestOptions extends SearchOptions {
  /** Default `squaredEuclidean`; the largest come first for `dot` and `cosineSimilarity`. */
  readonly metric?: Metric;
  /** Classes of the gallery's rows, [M]; with a filter and a gallery only: without one they are x's. */
  readonly galleryLabels?: Labels;
}

export interface Neighbours {
  /** Rows of the gallery, best first, [N, k]. */
  readonly indices: IndexMatrix;
  /** Their distances, or similarities, [N, k]. */
  readonly distances: Matrix;
}

export const searchOptions = ['k', 'filter', 'labels', 'out'] as const;
export const nearestOptions = [...searchOptions, 'metric', 'galleryLabels'] as const;

/** Indices cross as int32. */
export const mostRows = 2 ** 31 - 1;

const noLabels = new Int32Array(0);

/** k and where the results go. */
export function resolveOutputs(given: Pick<SearchOptions, 'k' | 'out'>, n: number, candidates: number) {
  const out = checkOut(given.out, ['indices', 'distances']);
  const k = checkInteger('options.k', given.k ?? 1, 1, candidates);
  const indices: IndexMatrix =
    out.indices !== undefined ? checkIndexMatrix('options.out.indices', out.indices, k) : { data: new Int32Array(n * k), shape: [n, k] };
  if (indices.shape[0] !== n) throw failure('ERR_SHAPE', 'options.out.indices', `shape [${n}, ${k}]`, `[${indices.shape.join(', ')}]`);
  const distances = out.distances !== undefined ? checkMatrixOf('options.out.distances', out.distances, n, k) : zeros(n, k);
  return { k, indices, distances, given: out };
}

/** The filter and the labels it compares; labels without a filter would be ignored in silence. */
export function resolveFilter(given: Pick<SearchOptions, 'filter' | 'labels'>, n: number) {
  const filter = given.filter === undefined ? undefined : checkChoice('options.filter', given.filter, nearestFilters);
  if ((filter === undefined) !== (given.labels === undefined)) {
    throw failure('ERR_OPTION_RANGE', 'options.labels', 'filter and labels together', 'one of the two');
  }
  return { filter, labels: filter === undefined ? noLabels : checkLabels('options.labels', given.labels, n) };
}

/** Checks the arguments and lays out the op; without a gallery x is searched and the own row left out. */
export function resolveNearest(x: Matrix, given: Matrix | Bfloat16Matrix | undefined, options: NearestOptions) {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  const gallery = given === undefined ? x : checkRows('gallery', given, d);
  options = checkOptions(options, nearestOptions);
  const m = gallery.shape[0];
  const excludeSelf = given === undefined;
  const candidates = excludeSelf ? m - 1 : m;
  if (candidates < 1 || m > mostRows) {
    const expected = candidates < 1 ? 'at least one candidate row' : `at most ${mostRows} rows`;
    throw failure('ERR_SHAPE', given ? 'gallery' : 'x', expected, `${m} rows`);
  }
  const out = resolveOutputs(options, n, candidates);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  const { filter, labels } = resolveFilter(options, n);
  const wanted = filter !== undefined && !excludeSelf;
  if (wanted !== (options.galleryLabels !== undefined)) {
    const expected = wanted ? 'the labels of the gallery' : 'none without both a filter and a gallery';
    throw failure('ERR_OPTION_RANGE', 'options.galleryLabels', expected, wanted ? 'none' : 'labels');
  }
  const galleryLabels = wanted ? checkLabels('options.galleryLabels', options.galleryLabels, m) : labels;
  const { k, indices, distances } = out;
  checkMemory(
    { 'options.out.indices': indices, 'options.out.distances': distances },
    { x, gallery, 'options.labels': labels, 'options.galleryLabels': galleryLabels },
  );
  const op: NearestOp = {
    x: x.data,
    gallery: gallery.data,
    n,
    m,
    d,
    metric,
    k,
    excludeSelf,
    filter,
    labels,
    galleryLabels,
    indices: indices.data,
    distances: distances.data,
  };
  return { op, indices, distances, given: out.given };
}

/** What the caller gave as `out`, where it gave something. */
export function neighbours({ indices, distances, given }: Neighbours & { readonly given: Partial<Neighbours> }): Neighbours {
  return { indices: given.indices ?? indices, distances: given.distances ?? distances };
}

/**
 * The k best rows of the gallery [M, D] for every row of x [N, D], exactly, without the distance matrix. Ties go to the lowest
 * index and NaN comes last, after Infinity. Without a gallery x is searched and the own row left out. A gallery in bfloat16 is widened
 * exactly. Distances have the bits of `distances`. O(N·M·D) time, O(N·k) memory beside the results.
 * To search one gallery many times, keep it in a `Gallery`.
 * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE (k beyond the candidates), ERR_LABEL_RANGE, ERR_ALIAS, ERR_OUT_OF_MEMORY
 */
export function nearest(x: Matrix, options?: NearestOptions): Neighbours;
export function nearest(x: Matrix, gallery: Matrix | Bfloat16Matrix, options?: NearestOptions): Neighbours;
export function nearest(x: Matrix, second?: Matrix | Bfloat16Matrix | NearestOptions, third?: NearestOptions): Neighbours {
  const resolved = resolveNearest(x, ...splitArguments<Matrix | Bfloat16Matrix, NearestOptions>(second, third));
  backend().nearest(resolved.op);
  return neighbours(resolved);
}
