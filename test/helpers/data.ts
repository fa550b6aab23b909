import { createRandom, type Matrix, matrix } from '../../lib/index.js';

const drawn = new Map<string, Float64Array>();

/** The same numbers for the same arguments, in an array of the caller's own; suites ask for them again at every level. */
export function normals(count: number, seed: number, scale = 1): Float64Array {
  const key = `${count} ${seed} ${scale}`;
  let values = drawn.get(key);
  if (values === undefined) {
    const random = createRandom(seed);
    values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = scale * random.normal();
    drawn.set(key, values);
  }
  return values.slice();
}

export function normalMatrix(rows: number, cols: number, seed: number, scale = 1): Matrix {
  return matrix(new Float32Array(normals(rows * cols, seed, scale)), cols);
}

export function cyclicLabels(n: number, classes: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i % classes);
}
