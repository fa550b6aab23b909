import { backend } from './backend.js';
import { checkChoice, checkMatrix, checkMatrixOf, checkMemory, checkOptions, splitArguments } from './checks.js';
import { outputOf, zeros } from './fresh.js';
import type { Matrix } from './matrix.js';
import { type DistancesGradientOp, type DistancesOp, type Metric, metrics } from './ops/distances.js';

export interface DistancesOptions {
  /**
   * Default `squaredEuclidean`. `dot` and `cosineSimilarity` grow with likeness. Cosines divide by max(‖·‖, 1e-12), so those of a
   * zero row are 0. `snr` is Var(x_i − y_j) / Var(x_i) over the coordinates, 0 where Var(x_i) is 0.
   */
  readonly metric?: Metric;
  /** [N, M], memory apart from x and y. */
  readonly out?: Matrix;
}

export const distancesOptions = ['metric', 'out'] as const;

/** Checks the arguments and lays out the op; without y the distances are x's own. `out` is the caller's memory where it gave some. */
export function resolveDistances(x: Matrix, y: Matrix | undefined, options: DistancesOptions) {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  y = y === undefined ? x : checkMatrix('y', y, d);
  options = checkOptions(options, distancesOptions);
  const m = y.shape[0];
  const out = outputOf(options.out, n, m);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  checkMemory({ 'options.out': out }, { x, y });
  // Another view of the very same rows is the same argument twice.
  const op: DistancesOp = { x: x.data, y: isSameView(x.data, y.data) ? x.data : y.data, n, m, d, metric, out: out.data };
  return { op, out, given: options.out };
}

function isSameView(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.byteLength === b.byteLength;
}

/**
 * Distances between the rows of x [N, D] and y [M, D], [N, M]; with x alone, between its own rows, where the
 * diagonal of a distance is exactly 0 (save for `squaredEuclidean`, `euclidean` and `manhattan` of a row that holds an infinity or a NaN: NaN).
 * Near duplicates keep their digits: where ‖x‖² + ‖y‖² − 2xy would lose them the rows' differences are summed.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS, ERR_OUT_OF_MEMORY
 */
export function distances(x: Matrix, options?: DistancesOptions): Matrix;
export function distances(x: Matrix, y: Matrix, options?: DistancesOptions): Matrix;
export function distances(x: Matrix, second?: Matrix | DistancesOptions, third?: DistancesOptions): Matrix {
  const { op, out, given } = resolveDistances(x, ...splitArguments<Matrix, DistancesOptions>(second, third));
  backend().distances(op);
  return given ?? out;
}

export interface DistancesGradientOptions {
  /** Of the distances, default `squaredEuclidean`. */
  readonly metric?: Metric;
}

export interface DistancesGradient {
  /** [N, D] */
  readonly gradX: Matrix;
}

export interface DistancesGradients extends DistancesGradient {
  /** [M, D] */
  readonly gradY: Matrix;
}

export const distancesGradientOptions = ['metric'] as const;

/** (x, gradOutput, options?) or (x, y, gradOutput, options?): which is which. */
export function splitGradientArguments<Options extends object>(
  second: Matrix,
  third: Matrix | Options | undefined,
  fourth: Options | undefined,
): [y: Matrix | undefined, gradOutput: Matrix, options: Options] {
  const [gradOutput, options] = splitArguments<Matrix, Options>(third, fourth);
  return gradOutput === undefined ? [undefined, second, options] : [second, gradOutput, options];
}

/** Checks the arguments and lays out the op; `finish` makes the result once it has run. */
export function resolveDistancesGradient(x: Matrix, given: Matrix | undefined, gradOutput: Matrix, options: DistancesGradientOptions) {
  options = checkOptions(options, distancesGradientOptions);
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  const y = given === undefined ? x : checkMatrix('y', given, d);
  const m = y.shape[0];
  gradOutput = checkMatrixOf('gradOutput', gradOutput, n, m);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  checkMemory({}, { x, y, gradOutput });
  const [gradX, gradY] = [zeros(n, d), zeros(m, d)];
  const op: DistancesGradientOp = {
    x: x.data,
    y: y.data,
    n,
    m,
    d,
    metric,
    gradOutput: gradOutput.data,
    gradX: gradX.data,
    gradY: gradY.data,
  };
  const finish = (): DistancesGradient | DistancesGradients => {
    if (given !== undefined) return { gradX, gradY };
    for (let k = 0; k < gradX.data.length; k++) gradX.data[k] = (gradX.data[k] as number) + (gradY.data[k] as number);
    return { gradX };
  };
  return { op, finish };
}

/**
 * Gradients of Σ distances·gradOutput. With x alone, `gradX` sums both roles of a row. A Euclidean distance of exactly 0 has
 * gradient 0, and so has the direction of a zero row. Natively the cosine gradients of two nearly parallel rows carry a rounding of
 * about 2⁻²⁴ / sin θ of their length, as their radial part is taken off a float32 sum.
 * @param gradOutput [N, M]
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY
 */
export function distancesGradient(x: Matrix, gradOutput: Matrix, options?: DistancesGradientOptions): DistancesGradient;
export function distancesGradient(x: Matrix, y: Matrix, gradOutput: Matrix, options?: DistancesGradientOptions): DistancesGradients;
export function distancesGradient(x: Matrix, second: Matrix, third?: Matrix | DistancesGradientOptions, fourth?: DistancesGradientOptions) {
  const { op, finish } = resolveDistancesGradient(x, ...splitGradientArguments(second, third, fourth));
  backend().distancesGradient(op);
  return finish();
}
