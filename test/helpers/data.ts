import { createRandom, type Matrix, matrix } from '../../lib/index.js';

export function normals(count: number, seed: number, scale = 1): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from({ length: count }, () => scale * random.normal());
}

export function normalMatrix(rows: number, cols: number, seed: number, scale = 1): Matrix {
  return matrix(Float32Array.from(normals(rows * cols, seed, scale)), cols);
}

export function cyclicLabels(n: number, classes: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i % classes);
}
