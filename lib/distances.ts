import { backend } from './backend.js';
import { checkAlias, checkChoice, checkMatrix, checkMatrixOf, checkOptions, looksLikeMatrix } from './checks.js';
import { type Matrix, zeros } from './matrix.js';
import { type Metric, metrics } from './ops/distances.js';

export interface DistancesOptions {
  /**
   * Default `squaredEuclidean`. `dot` and `cosineSimilarity` grow with likeness. Cosines divide by max(‖·‖, 1e-12), so those of a
   * zero row are 0. `snr` is Var(x_i − y_j) / Var(x_i) over the coordinates, 0 where Var(x_i) is 0.
   */
  readonly metric?: Metric;
  /** [N, M], memory apart from x and y. */
  readonly out?: Matrix;
}

/**
 * Distances between the rows of x [N, D] and y [M, D], [N, M]; with x alone, between its own rows, where the
 * diagonal of a distance is exactly 0. Computed from differences, so near duplicates keep their digits.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function distances(x: Matrix, options?: DistancesOptions): Matrix;
export function distances(x: Matrix, y: Matrix, options?: DistancesOptions): Matrix;
export function distances(x: Matrix, yOrOptions: Matrix | DistancesOptions = {}, more: DistancesOptions = {}): Matrix {
  const [given, options] = looksLikeMatrix(yOrOptions) ? [yOrOptions, more] : [undefined, yOrOptions as DistancesOptions];
  checkMatrix('x', x);
  const [n, d] = x.shape;
  const y = given === undefined ? x : checkMatrix('y', given, d);
  checkOptions(options, ['metric', 'out']);
  const m = y.shape[0];
  const out = options.out === undefined ? zeros(n, m) : checkMatrixOf('options.out', options.out, n, m);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  checkAlias({ 'options.out': options.out?.data }, { x: x.data, y: y.data });
  backend().distances({ x: x.data, y: y.data, n, m, d, metric, out: out.data });
  return out;
}

export interface DistancesGradientOptions {
  readonly metric?: Metric;
}

/**
 * Gradients of Σ distances·gradOutput. With x alone, `gradX` sums both roles of a row. A Euclidean distance of exactly 0 has
 * gradient 0, and so has the direction of a zero row.
 * @param gradOutput [N, M]
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE
 */
export function distancesGradient(x: Matrix, gradOutput: Matrix, options?: DistancesGradientOptions): { readonly gradX: Matrix };
export function distancesGradient(
  x: Matrix,
  y: Matrix,
  gradOutput: Matrix,
  options?: DistancesGradientOptions,
): { readonly gradX: Matrix; readonly gradY: Matrix };
export function distancesGradient(x: Matrix, second: Matrix, third?: Matrix | DistancesGradientOptions, fourth?: DistancesGradientOptions) {
  const both = looksLikeMatrix(third);
  const options = (both ? fourth : (third as DistancesGradientOptions | undefined)) ?? {};
  checkMatrix('x', x);
  const [n, d] = x.shape;
  const y = both ? checkMatrix('y', second, d) : x;
  const m = y.shape[0];
  const gradOutput = checkMatrixOf('gradOutput', both ? third : second, n, m);
  checkOptions(options, ['metric']);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  const [gradX, gradY] = [zeros(n, d), zeros(m, d)];
  backend().distancesGradient({ x: x.data, y: y.data, n, m, d, metric, gradOutput: gradOutput.data, gradX: gradX.data, gradY: gradY.data });
  if (both) return { gradX, gradY };
  for (let k = 0; k < gradX.data.length; k++) gradX.data[k] = (gradX.data[k] as number) + (gradY.data[k] as number);
  return { gradX };
}
