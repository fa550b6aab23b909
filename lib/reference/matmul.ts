// out = op(a)·op(b) as dots of packed rows. Both sides are laid out with the summed dimension contiguous, and a 4×4
// block of outputs keeps its 16 sums in registers: each value loaded serves four products, which is what V8 needs to
// stay near 3 GFLOP/s. Every output is one float64 sum in index order, so blocking leaves no trace.
import type { MatmulOp } from '../ops/distances.js';
import type { Values } from '../ops/types.js';
import { dot } from './rows.js';

export function matmul({ a, b, transposeA, transposeB, rows, inner, cols, out }: MatmulOp): void {
  const left = transposeA ? transposed(a, inner, rows) : a;
  const right = transposeB ? b : transposed(b, inner, cols);
  const [fullRows, fullCols] = [rows - (rows % 4), cols - (cols % 4)];
  for (let j = 0; j < fullCols; j += 4) for (let i = 0; i < fullRows; i += 4) block(left, right, i, j, inner, cols, out);
  for (let i = 0; i < rows; i++) {
    for (let j = i < fullRows ? fullCols : 0; j < cols; j++) out[i * cols + j] = dot(left, i * inner, right, j * inner, inner);
  }
}

function transposed(x: Values, rows: number, cols: number): Values {
  const out = x instanceof Float32Array ? new Float32Array(x.length) : new Float64Array(x.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = x[i * cols + j] as number;
  return out;
}

function block(a: Values, b: Values, i: number, j: number, inner: number, cols: number, out: Values): void {
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [p0, q0] = [i * inner, j * inner];
  let [p1, p2, p3] = [p0 + inner, p0 + 2 * inner, p0 + 3 * inner];
  let [q1, q2, q3] = [q0 + inner, q0 + 2 * inner, q0 + 3 * inner];
  for (let k = 0; k < inner; k++) {
    const [a0, a1, a2, a3] = [a[p0++] as number, a[p1++] as number, a[p2++] as number, a[p3++] as number];
    const [b0, b1, b2, b3] = [b[q0++] as number, b[q1++] as number, b[q2++] as number, b[q3++] as number];
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  let at = i * cols + j;
  for (const row of [
    [s00, s01, s02, s03],
    [s10, s11, s12, s13],
    [s20, s21, s22, s23],
    [s30, s31, s32, s33],
  ]) {
    out.set(row, at);
    at += cols;
  }
}
