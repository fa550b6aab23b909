// Row arithmetic of the backbone and the measurements, in plain loops: closures per element would cost more than the products do.
import { type Matrix, matrix } from '../index.js';

/** Adds the vector to every row, in place. */
export function addToRows({ data }: Matrix, vector: Float32Array): void {
  const cols = vector.length;
  for (let at = 0; at < data.length; at += cols) {
    for (let k = 0; k < cols; k++) data[at + k] = (data[at + k] as number) + (vector[k] as number);
  }
}

/** Sum of all rows: the gradient of a bias. */
export function sumOfRows({ data, shape: [, cols] }: Matrix): Float32Array {
  const sum = new Float32Array(cols);
  for (let at = 0; at < data.length; at += cols) {
    for (let k = 0; k < cols; k++) sum[k] = (sum[k] as number) + (data[at + k] as number);
  }
  return sum;
}

/** PReLU with one slope per column (He et al. 2015). */
export function prelu({ data, shape: [, cols] }: Matrix, slope: Float32Array): Matrix {
  const out = new Float32Array(data.length);
  for (let at = 0; at < data.length; at += cols) {
    for (let k = 0; k < cols; k++) {
      const value = data[at + k] as number;
      out[at + k] = value > 0 ? value : value * (slope[k] as number);
    }
  }
  return matrix(out, cols);
}

/** The gradient through a PReLU: ∂/∂input and ∂/∂slope, from ∂/∂output. */
export function preluGradient(
  { data, shape: [, cols] }: Matrix,
  slope: Float32Array,
  grad: Matrix,
): { input: Matrix; slope: Float32Array } {
  const input = new Float32Array(data.length);
  const slopeSum = new Float32Array(cols);
  for (let at = 0; at < data.length; at += cols) {
    for (let k = 0; k < cols; k++) {
      const [value, g] = [data[at + k] as number, grad.data[at + k] as number];
      input[at + k] = value > 0 ? g : g * (slope[k] as number);
      if (value <= 0) slopeSum[k] = (slopeSum[k] as number) + g * value;
    }
  }
  return { input: matrix(input, cols), slope: slopeSum };
}

/** a_i·b_i of the named rows of x, one for each pair. */
export function pairDots(x: Matrix, pairs: Int32Array): Float64Array {
  return ofPairs(x, pairs, (a, b) => a * b);
}

export function pairSquaredDistances(x: Matrix, pairs: Int32Array): Float64Array {
  return ofPairs(x, pairs, (a, b) => (a - b) ** 2);
}

function ofPairs({ data, shape: [, cols] }: Matrix, pairs: Int32Array, term: (a: number, b: number) => number): Float64Array {
  return Float64Array.from({ length: pairs.length / 2 }, (_, i) => {
    const [a, b] = [(pairs[2 * i] as number) * cols, (pairs[2 * i + 1] as number) * cols];
    let sum = 0;
    for (let k = 0; k < cols; k++) sum += term(data[a + k] as number, data[b + k] as number);
    return sum;
  });
}
