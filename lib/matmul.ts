import { backend } from './backend.js';
import { checkBoolean, checkMatrix, checkMemory, checkOptions } from './checks.js';
import { failure } from './errors.js';
import { outputOf } from './fresh.js';
import type { Matrix } from './matrix.js';
import type { MatmulOp } from './ops/distances.js';

export interface MatmulOptions {
  /** Use aᵀ. Default false. */
  readonly transposeA?: boolean;
  /** Use bᵀ. Default false. */
  readonly transposeB?: boolean;
  /** [rows, cols] of the product; memory apart from a and b. */
  readonly out?: Matrix;
}

export const matmulOptions = ['transposeA', 'transposeB', 'out'] as const;

/** Checks the arguments and lays out the op; `out` is the caller's memory where it gave some. */
export function resolveMatmul(a: Matrix, b: Matrix, options: MatmulOptions) {
  a = checkMatrix('a', a);
  b = checkMatrix('b', b);
  options = checkOptions(options, matmulOptions);
  const transposeA = checkBoolean('options.transposeA', options.transposeA ?? false);
  const transposeB = checkBoolean('options.transposeB', options.transposeB ?? false);
  const [rows, inner] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const [innerB, cols] = transposeB ? [b.shape[1], b.shape[0]] : b.shape;
  if (innerB !== inner) throw failure('ERR_SHAPE', 'b', `an inner dimension of ${inner}`, `${innerB}`);
  const out = outputOf(options.out, rows, cols);
  checkMemory({ 'options.out': out }, { a, b });
  const op: MatmulOp = { a: a.data, b: b.data, transposeA, transposeB, rows, inner, cols, out: out.data };
  return { op, out, given: options.out };
}

/**
 * The matrix product of a [N, D] and b [D, M] (or of their transposes), [N, M]. Natively each sum is float32 in order of D, so one that
 * passes 3.4e38 on the way is infinite even where its end would fit; the `dot` of `distances` repairs that.
 * @throws ERR_TYPE, ERR_SHAPE when the inner dimensions differ, ERR_OPTION_RANGE for an unknown option, ERR_ALIAS, ERR_OUT_OF_MEMORY
 */
export function matmul(a: Matrix, b: Matrix, options: MatmulOptions = {}): Matrix {
  const { op, out, given } = resolveMatmul(a, b, options);
  backend().matmul(op);
  return given ?? out;
}
