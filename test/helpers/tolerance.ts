// How far a float32 sum in any order may lie from the exact one: (terms + a few roundings) · 2⁻²⁴ · Σ|terms|. The bound
// follows the condition of each single output, so a small result of large terms is judged fairly and a wrong one is not
// hidden by its neighbours.
import { expect } from 'vitest';

export const roundoff = 2 ** -24;

export function sumTolerance(terms: number, sumOfMagnitudes: number): number {
  // The last term lets an output underflow to a denormal or to 0.
  return (terms + 8) * roundoff * sumOfMagnitudes + 2 ** -126;
}

/** got against expected, elementwise; non-finite values must be equal, NaN to NaN. */
export function expectWithin(got: Float32Array, expected: ArrayLike<number>, tolerance: (index: number) => number, what: string): void {
  expect(got.length).toBe(expected.length);
  let worst = '';
  for (let i = 0; i < got.length && !worst; i++) {
    const [value, wanted] = [got[i] as number, expected[i] as number];
    if (Object.is(value, wanted) || value === wanted) continue;
    const limit = tolerance(i);
    if (!(Math.abs(value - wanted) <= limit)) worst = `[${i}] is ${value}, expected ${wanted} ± ${limit}`;
  }
  expect(worst, what).toBe('');
}

/** Bits of a result, every NaN as one value. */
export function bitsOf(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length).slice();
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) bits[i] = 0x7fc00000;
  return bits;
}

/** The same as text, which vitest compares fast where arrays of thousands of elements take it long. */
export function bitsText(values: Float32Array): string {
  return Buffer.from(bitsOf(values).buffer).toString('base64');
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  return bytes(a).equals(bytes(b));
}

/** Equal integers. Vitest, which takes long over thousands of elements, is asked only what differs. */
export function expectSame<T extends Int32Array | Uint32Array>(got: T, expected: T, what?: string): void {
  if (!sameBytes(got, expected)) expect(got, what).toEqual(expected);
}
