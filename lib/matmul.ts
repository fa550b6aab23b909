import { backend } from './backend.js';
import { checkAlias, checkBoolean, checkMatrix, checkMatrixOf, checkOptions } from './checks.js';
import { failure } from './errors.js';
import { type Matrix, zeros } from './matrix.js';

export interface MatmulOptions {
  /** Use aᵀ. Default false. */
  readonly transposeA?: boolean;
  /** Use bᵀ. Default false. */
  readonly transposeB?: boolean;
  /** [rows, cols] of the product; memory apart from a and b. */
  readonly out?: Matrix;
}

/**
 * The matrix product of a [N, D] and b [D, M] (or of their transposes), [N, M].
 * @throws ERR_TYPE, ERR_SHAPE when the inner dimensions differ, ERR_OPTION_RANGE for an unknown option, ERR_ALIAS
 */
export function matmul(a: Matrix, b: Matrix, options: MatmulOptions = {}): Matrix {
  checkMatrix('a', a);
  checkMatrix('b', b);
  checkOptions(options, ['transposeA', 'transposeB', 'out']);
  const transposeA = checkBoolean('options.transposeA', options.transposeA ?? false);
  const transposeB = checkBoolean('options.transposeB', options.transposeB ?? false);
  const [rows, inner] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const [innerB, cols] = transposeB ? [b.shape[1], b.shape[0]] : b.shape;
  if (innerB !== inner) throw failure('ERR_SHAPE', 'b', `an inner dimension of ${inner}`, `${innerB}`);
  const out = options.out === undefined ? zeros(rows, cols) : checkMatrixOf('options.out', options.out, rows, cols);
  checkAlias({ 'options.out': options.out?.data }, { a: a.data, b: b.data });
  backend().matmul({ a: a.data, b: b.data, transposeA, transposeB, rows, inner, cols, out: out.data });
  return out;
}
