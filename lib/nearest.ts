import { backend } from './backend.js';
import { checkChoice, checkIndexMatrix, checkInteger, checkMatrix, checkMatrixOf, checkMemory, checkOptions, checkOut } from './checks.js';
import { splitArguments } from './distances.js';
import { failure } from './errors.js';
import { zeros } from './fresh.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import { type Metric, metrics } from './ops/distances.js';

export interface NearestOptions {
  /** Neighbours per row, from 1 to the number of candidates; default 1. */
  readonly k?: number;
  /** Default `squaredEuclidean`; the largest come first for `dot` and `cosineSimilarity`. */
  readonly metric?: Metric;
  readonly out?: { readonly indices?: IndexMatrix; readonly distances?: Matrix };
}

export interface Neighbours {
  /** Rows of the gallery, best first, [N, k]. */
  readonly indices: IndexMatrix;
  /** Their distances, or similarities, [N, k]. */
  readonly distances: Matrix;
}

/**
 * The k best rows of the gallery [M, D] for every row of x [N, D], exactly, without the distance matrix. Ties go to the lowest
 * index and NaN comes last. Without a gallery x is searched and the own row left out.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE (k beyond the candidates), ERR_ALIAS
 */
export function nearest(x: Matrix, options?: NearestOptions): Neighbours;
export function nearest(x: Matrix, gallery: Matrix, options?: NearestOptions): Neighbours;
export function nearest(x: Matrix, galleryOrOptions: Matrix | NearestOptions = {}, more: NearestOptions = {}): Neighbours {
  const [given, wanted] = splitArguments(galleryOrOptions, more);
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  const gallery = given === undefined ? x : checkMatrix('gallery', given, d);
  const options = checkOptions(wanted, ['k', 'metric', 'out']);
  const out = checkOut(options.out, ['indices', 'distances']);
  const m = gallery.shape[0];
  const excludeSelf = given === undefined;
  const candidates = excludeSelf ? m - 1 : m;
  if (candidates < 1) throw failure('ERR_SHAPE', given ? 'gallery' : 'x', 'at least one candidate row', `${m} rows`);
  const k = checkInteger('options.k', options.k ?? 1, 1, candidates);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  const indices: IndexMatrix =
    out.indices !== undefined ? checkIndexMatrix('options.out.indices', out.indices, k) : { data: new Int32Array(n * k), shape: [n, k] };
  if (indices.shape[0] !== n) throw failure('ERR_SHAPE', 'options.out.indices', `shape [${n}, ${k}]`, `[${indices.shape.join(', ')}]`);
  const found = out.distances !== undefined ? checkMatrixOf('options.out.distances', out.distances, n, k) : zeros(n, k);
  checkMemory({ 'options.out.indices': indices, 'options.out.distances': found }, { x, gallery });
  backend().nearest({ x: x.data, gallery: gallery.data, n, m, d, metric, k, excludeSelf, indices: indices.data, distances: found.data });
  return { indices, distances: found };
}
