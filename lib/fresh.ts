// Where results go that the caller gave no memory for.
import { adviseHuge } from './backend.js';
import { checkMatrixOf } from './checks.js';
import { allocated } from './errors.js';
import type { Matrix } from './matrix.js';

/** A zeroed matrix in ordinary memory, on huge pages where it is large: first touching 4 KiB pages costs more than most ops. */
export function zeros(rows: number, cols: number): Matrix {
  const data = allocated('the result', `${rows} × ${cols} values`, () => new Float32Array(rows * cols));
  adviseHuge(data);
  return { data, shape: [rows, cols] };
}

/** Where a result goes: the caller's `out`, of the right shape, or a fresh matrix. */
export function outputOf(given: Matrix | undefined, rows: number, cols: number): Matrix {
  return given === undefined ? zeros(rows, cols) : checkMatrixOf('options.out', given, rows, cols);
}
