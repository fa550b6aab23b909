// What float32 may make of the softmax of products u·v: how far the losses and the gradients of both sides may lie from those in float64.
import type { Matrix } from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { roundoff } from './tolerance.js';

const at = (values: ArrayLike<number>, i: number) => values[i] as number;

/** Rows in float64, at unit length where asked. */
export function wideRows({ data, shape: [n, d] }: Matrix, unit: boolean): Float64Array {
  const x = Float64Array.from(data);
  if (!unit) return x;
  const out = new Float64Array(n * d);
  reference.normalize({ x, n, d, eps: 1e-12, out });
  return out;
}

export interface Direction {
  readonly u: Float64Array;
  readonly v: Float64Array;
  readonly n: number;
  readonly m: number;
  readonly d: number;
  readonly labels: Int32Array;
  /** Of the products; and what is taken off each column's. */
  readonly factor: number;
  readonly offsets?: Float64Array;
  readonly weight: number;
}

export interface Bounds {
  /** Of the rows' losses, before their own rounding. */
  readonly rows: Float64Array;
  /** Of the mean. */
  readonly loss: number;
  /** Of the gradients of u and v. */
  readonly u: Float64Array;
  readonly v: Float64Array;
}

/** A logit is wrong by as many roundings as its sum has terms; a share of the softmax by twice that of itself, and a sum of shares by one for each. */
export function softmaxBounds({ u, v, n, m, d, labels, factor, offsets, weight }: Direction): Bounds {
  const [rows, toU, toV] = [new Float64Array(n), new Float64Array(n * d), new Float64Array(m * d)];
  const [z, sizes] = [new Float64Array(m), new Float64Array(m)];
  let loss = 0;
  for (let i = 0; i < n; i++) {
    let most = 0;
    for (let j = 0; j < m; j++) {
      let [sum, size] = [0, 0];
      for (let k = 0; k < d; k++) {
        const term = factor * at(u, i * d + k) * at(v, j * d + k);
        sum += term;
        size += Math.abs(term);
      }
      z[j] = sum - (offsets ? at(offsets, j) : 0);
      most = Math.max(most, size + (offsets ? Math.abs(at(offsets, j)) : 0));
    }
    const greatest = z.reduce((a, b) => Math.max(a, b), -Infinity);
    const total = z.reduce((sum, value) => sum + Math.exp(value - greatest), 0);
    const error = 2 * (d + 24) * roundoff * most + 64 * roundoff;
    rows[i] = error * (1 + Math.abs(greatest + Math.log(total) - at(z, at(labels, i))));
    loss += (weight * at(rows, i)) / n;
    const others = 1 - Math.exp(at(z, at(labels, i)) - greatest) / total;
    const relative = (weight * factor * (error + (n + m) * roundoff)) / n;
    for (let j = 0; j < m; j++)
      sizes[j] = relative * (j === at(labels, i) ? Math.max(others, 1e-12) : Math.exp(at(z, j) - greatest) / total);
    for (let j = 0; j < m; j++) {
      for (let k = 0; k < d; k++) {
        toU[i * d + k] = at(toU, i * d + k) + at(sizes, j) * Math.abs(at(v, j * d + k));
        toV[j * d + k] = at(toV, j * d + k) + at(sizes, j) * Math.abs(at(u, i * d + k));
      }
    }
  }
  return { rows, loss, u: toU, v: toV };
}

/** Bounds of the gradients of the rows as given, from those of the rows compared. */
export function boundsOfGiven({ data, shape: [n, d] }: Matrix, unit: boolean, bounds: Float64Array): Float64Array {
  if (!unit) return bounds.map((bound) => bound + 2 ** -120);
  const out = new Float64Array(n * d);
  for (let i = 0; i < n; i++) {
    const part = bounds.subarray(i * d, (i + 1) * d);
    const norm = Math.max(Math.hypot(...data.subarray(i * d, (i + 1) * d)), 1e-12);
    out.fill((2 * Math.hypot(...part)) / norm + 2 ** -120, i * d, (i + 1) * d);
  }
  return out;
}
