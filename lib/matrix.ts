// What the library computes on: rows of float32 in one array. Structural, so that what an .npy reader or an
// ndarray hands out fits as it is.
import { checkInteger } from './checks.js';
import { allocated, describe, failure } from './errors.js';

/** Row-major float32 matrix; `data.length === shape[0] * shape[1]`. Subarrays are welcome. */
export interface Matrix {
  readonly data: Float32Array;
  readonly shape: readonly [rows: number, cols: number];
}

/** Row-major bfloat16 matrix, as `toBfloat16` makes its data: half the memory, 8 bits of precision. */
export interface Bfloat16Matrix {
  readonly data: Uint16Array;
  readonly shape: readonly [rows: number, cols: number];
}

/** Row-major tuples of indices: `[T, 3]` for triplets (anchor, positive, negative), `[P, 2]` for pairs. */
export interface IndexMatrix {
  readonly data: Int32Array;
  readonly shape: readonly [rows: number, cols: number];
}

/**
 * A matrix over existing data, without a copy.
 * @param data row-major values; the length must be a multiple of `cols`
 * @param cols number of columns, at least 1
 * @throws ERR_TYPE when `data` is no Float32Array, ERR_SHAPE when the length does not divide
 */
export function matrix(data: Float32Array, cols: number): Matrix {
  if (!(data instanceof Float32Array)) throw failure('ERR_TYPE', 'data', 'a Float32Array', describe(data));
  checkInteger('cols', cols, 1);
  if (data.length % cols !== 0) throw failure('ERR_SHAPE', 'data', `a length divisible by cols = ${cols}`, `length ${data.length}`);
  return { data, shape: [data.length / cols, cols] };
}

/**
 * A zeroed matrix over a fixed-length SharedArrayBuffer: asynchronous calls use it without a copy, and it can be posted to workers.
 * @throws ERR_OPTION_RANGE for a negative or fractional size, ERR_OUT_OF_MEMORY
 */
export function alloc(rows: number, cols: number): Matrix {
  checkInteger('rows', rows, 0);
  checkInteger('cols', cols, 1);
  return {
    data: allocated('the result', `${rows} × ${cols} values`, () => new Float32Array(new SharedArrayBuffer(rows * cols * 4))),
    shape: [rows, cols],
  };
}
