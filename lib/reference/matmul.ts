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
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let s23 = 0;
  let s30 = 0;
  let s31 = 0;
  let s32 = 0;
  let s33 = 0;
  const [p0, q0] = [i * inner, j * inner];
  const [p1, p2, p3] = [p0 + inner, p0 + 2 * inner, p0 + 3 * inner];
  const [q1, q2, q3] = [q0 + inner, q0 + 2 * inner, q0 + 3 * inner];
  for (let k = 0; k < inner; k++) {
    const b0 = b[q0 + k] as number;
    const b1 = b[q1 + k] as number;
    const b2 = b[q2 + k] as number;
    const b3 = b[q3 + k] as number;
    const a0 = a[p0 + k] as number;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    const a1 = a[p1 + k] as number;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    const a2 = a[p2 + k] as number;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    const a3 = a[p3 + k] as number;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  const at = i * cols + j;
  out[at] = s00;
  out[at + 1] = s01;
  out[at + 2] = s02;
  out[at + 3] = s03;
  out[at + cols] = s10;
  out[at + cols + 1] = s11;
  out[at + cols + 2] = s12;
  out[at + cols + 3] = s13;
  out[at + 2 * cols] = s20;
  out[at + 2 * cols + 1] = s21;
  out[at + 2 * cols + 2] = s22;
  out[at + 2 * cols + 3] = s23;
  out[at + 3 * cols] = s30;
  out[at + 3 * cols + 1] = s31;
  out[at + 3 * cols + 2] = s32;
  out[at + 3 * cols + 3] = s33;
}
