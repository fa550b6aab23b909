// A batch that two or three ranks share, for the tests of sharded heads.
import { expect } from 'vitest';
import * as hs from '../../lib/index.js';

export const [classes, dim, rows] = [11, 6, 9];

// The same rows here and on every rank. Ranks have 4, 0 and 5 of them, or 4 and 5: batches may differ, and be empty.
export const data = `
  const random = hs.createRandom(9);
  const x = Float32Array.from({ length: ${rows * dim} }, () => random.normal());
  const labels = Int32Array.of(0, 10, 5, -100, 5, 3, 7, 10, 1);
  const starts = size === 2 ? [0, 4, 9] : [0, 4, 4, 9];
  const mine = hs.matrix(x.slice(${dim} * starts[rank], ${dim} * starts[rank + 1]), ${dim});
  const own = labels.slice(starts[rank], starts[rank + 1]);
`;
const random = hs.createRandom(9);
export const x = hs.matrix(
  Float32Array.from({ length: rows * dim }, () => random.normal()),
  dim,
);
export const labels = Int32Array.of(0, 10, 5, -100, 5, 3, 7, 10, 1);

/** float32 throughout, a handful of steps: some roundings of the numbers that go in, which are of size 8 (the scale) at most. */
export function expectNear(actual: number[], expected: ArrayLike<number>, scale: number): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - (expected[i] as number)), `[${i}]`).toBeLessThan(256 * 2 ** -24 * scale));
}

export const common = { classes, dim, seed: 5, margin: hs.cosFace({ s: 8, m: 0.2 }) };
