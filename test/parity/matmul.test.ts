// The native product against the reference in every transposition, at every level and thread count.
import { expect, it } from 'vitest';
import { type Matrix, matmul, matrix, setThreads } from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels } from '../helpers/native.js';
import { expectWithin, sumTolerance } from '../helpers/tolerance.js';

const shapes: [rows: number, inner: number, cols: number][] = [
  [1, 1, 1],
  [1, 257, 1],
  [2, 3, 5],
  [15, 16, 17],
  [16, 16, 16],
  [31, 7, 33],
  [64, 128, 10],
  [127, 255, 129],
  [257, 64, 13],
  [5, 1021, 61],
];
const transposes = [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ transposeA, transposeB })));

function operands([rows, inner, cols]: (typeof shapes)[number], { transposeA, transposeB }: (typeof transposes)[number]) {
  const a = transposeA ? normalMatrix(inner, rows, 1) : normalMatrix(rows, inner, 1);
  const b = transposeB ? normalMatrix(cols, inner, 2) : normalMatrix(inner, cols, 2);
  return { a, b };
}

function exact({ data: a }: Matrix, { data: b }: Matrix, [rows, inner, cols]: (typeof shapes)[number], how: (typeof transposes)[number]) {
  const out = new Float64Array(rows * cols);
  reference.matmul({ a: Float64Array.from(a), b: Float64Array.from(b), ...how, rows, inner, cols, out });
  const magnitudes = new Float64Array(rows * cols);
  reference.matmul({ a: Float64Array.from(a, Math.abs), b: Float64Array.from(b, Math.abs), ...how, rows, inner, cols, out: magnitudes });
  return { out, magnitudes };
}

describeLevels('matmul against the reference', () => {
  it.each([1, 2, 3, 8])('%i threads', (threads) => {
    setThreads(threads);
    for (const shape of shapes) {
      for (const how of transposes) {
        const { a, b } = operands(shape, how);
        const { out, magnitudes } = exact(a, b, shape, how);
        const got = matmul(a, b, how);
        expectWithin(got.data, out, (i) => sumTolerance(shape[1], magnitudes[i] as number), `${shape} ${JSON.stringify(how)}`);
      }
    }
  });
  it('large enough to be cut into blocks', () => {
    setThreads(3);
    const shape = [301, 700, 523] as [number, number, number];
    const how = { transposeA: false, transposeB: true };
    const { a, b } = operands(shape, how);
    const { out, magnitudes } = exact(a, b, shape, how);
    expectWithin(matmul(a, b, how).data, out, (i) => sumTolerance(shape[1], magnitudes[i] as number), `${shape}`);
  });
  it('NaN, infinities, denormals, huge values and no rows at all', () => {
    const value = (special: number) => matrix(Float32Array.of(special, 1, 2, 3, 4, 5), 3);
    for (const special of [Number.NaN, Infinity, -Infinity, 1e-40, -1e-40, 3e38, 0, -0]) {
      for (const how of [{ transposeB: true }, { transposeA: true }]) {
        const a = value(special);
        const b = matrix(Float32Array.of(2, -1, 0.5, -2, 1e-3, 7), 3);
        const shape = ('transposeB' in how ? [2, 3, 2] : [3, 2, 3]) as [number, number, number];
        const { out, magnitudes } = exact(a, b, shape, { transposeA: false, transposeB: false, ...how });
        const expected = Float32Array.from(out);
        expectWithin(matmul(a, b, how).data, expected, (i) => sumTolerance(3, magnitudes[i] as number), `${special}`);
      }
    }
    expect(matmul(matrix(new Float32Array(0), 3), matrix(new Float32Array(6), 2)).shape).toEqual([0, 2]);
    expect(matmul(matrix(new Float32Array(0), 3), matrix(new Float32Array(0), 3), { transposeB: true }).shape).toEqual([0, 0]);
    // Nothing to sum is 0, also in an `out` that held something else.
    const out = matrix(new Float32Array(6).fill(7), 2);
    const none = matrix(new Float32Array(0), 3);
    expect(matmul(none, matrix(new Float32Array(0), 2), { transposeA: true, out }).data).toEqual(new Float32Array(6));
  });
});
