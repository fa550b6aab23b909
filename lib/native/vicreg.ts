// VICReg on the addon: what takes time are the products of the centered columns, which make the covariances, and of these with the columns,
// which make the gradient. Both are native matmul, for blocks of columns bounded in bytes. All else is a pass over the rows, in float64.
import type { BatchLossOps, VicRegOp } from '../ops/batch-losses.js';
import type { DistanceOps } from '../ops/distances.js';
import type { Values } from '../ops/types.js';
import { deliverNaN, largestOf } from './compared-rows.js';

type Parts = Pick<DistanceOps, 'matmul'>;

/** Covariances made at a time: 8 MiB, and beside them as many bytes for the columns and for the products with them. */
const blockValues = 2 ** 21;

/** Sizes of coordinates between which no product of three of them leaves float32's range, nor a square what it can resolve. */
function isMild(most: number): boolean {
  return most === 0 || (most >= 2 ** -40 && most <= 2 ** 28);
}

/** Whether there are products, and float32 will do for them; the others are the reference's. */
export function hasVicReg({ x, y, n, d, nu }: VicRegOp): boolean {
  return n > 1 && d > 0 && nu <= 1e6 && n < 2 ** 24 && isMild(largestOf(x)) && isMild(largestOf(y));
}

interface Centered {
  readonly columns: Float32Array;
  readonly variances: Float64Array;
}

function centered(view: Values, n: number, d: number): Centered {
  const means = new Float64Array(d);
  for (let i = 0; i < n; i++) for (let k = 0; k < d; k++) means[k] = (means[k] as number) + (view[i * d + k] as number) / n;
  const [columns, variances] = [new Float32Array(n * d), new Float64Array(d)];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < d; k++) {
      const value = (view[i * d + k] as number) - (means[k] as number);
      columns[i * d + k] = value;
      variances[k] = (variances[k] as number) + (value * value) / (n - 1);
    }
  }
  return { columns, variances };
}

/** What a column's deviation costs, and the factor of its centered coordinates in the gradient. */
function widthOf({ n, d, mu, eps }: VicRegOp, variance: number): { cost: number; slope: number } {
  const deviation = Math.sqrt(variance + eps);
  const missing = deviation < 1 ? 1 - deviation : 0;
  // At a deviation of 0 all of the column is at its mean, and no direction widens it more than its opposite does.
  const widen = missing > 0 && deviation > 0 ? mu / (2 * deviation) : 0;
  return { cost: ((mu / 2) * missing) / d, slope: -widen / (d * (n - 1)) };
}

/** The columns [first, first + count), side by side. */
function columnsOf(columns: Float32Array, n: number, d: number, first: number, count: number): Float32Array {
  if (count === d) return columns;
  const out = new Float32Array(n * count);
  for (let i = 0; i < n; i++) out.set(columns.subarray(i * d + first, i * d + first + count), i * count);
  return out;
}

/** Makes coefficients of the gradient of the covariances' products, in place, and returns the sum of the squared covariances off the diagonal. */
function toCoefficients(products: Float32Array, { n, d, nu }: VicRegOp, first: number, count: number): number {
  const coefficient = (4 * nu) / (d * (n - 1));
  let squares = 0;
  for (let a = 0; a < count; a++) {
    products[a * d + first + a] = 0;
    for (let k = a * d; k < (a + 1) * d; k++) {
      const covariance = (products[k] as number) / (n - 1);
      squares += covariance * covariance;
      products[k] = coefficient * covariance;
    }
  }
  return squares;
}

/** The variance and covariance terms of one view; adds their gradient to `gradient`, which holds that of the distance. */
function spread({ matmul }: Parts, op: VicRegOp, view: Values, gradient: Values | undefined): number {
  const { n, d, nu } = op;
  const { columns, variances } = centered(view, n, d);
  const most = Math.max(1, Math.min(d, Math.floor(blockValues / Math.max(n, d))));
  const [products, pulls] = [new Float32Array(most * d), new Float32Array(gradient ? n * most : 0)];
  let loss = 0;
  for (let first = 0; first < d; first += most) {
    const count = Math.min(most, d - first);
    const [out, pull] = [products.subarray(0, count * d), pulls.subarray(0, n * count)];
    const block = columnsOf(columns, n, d, first, count);
    matmul({ a: block, b: columns, transposeA: true, transposeB: false, rows: count, inner: n, cols: d, out });
    loss += (nu * toCoefficients(out, op, first, count)) / d;
    const widths = Array.from(variances.subarray(first, first + count), (variance) => widthOf(op, variance));
    for (const { cost } of widths) loss += cost;
    if (!gradient) continue;
    matmul({ a: columns, b: out, transposeA: false, transposeB: true, rows: n, inner: d, cols: count, out: pull });
    const slopes = Float64Array.from(widths, ({ slope }) => slope);
    for (let i = 0; i < n; i++) {
      for (let a = 0; a < count; a++) {
        const k = i * d + first + a;
        const added = (pull[i * count + a] as number) + (slopes[a] as number) * (columns[k] as number);
        gradient[k] = (gradient[k] as number) + added;
      }
    }
  }
  return loss;
}

export function vicReg(ops: Parts, op: VicRegOp): ReturnType<BatchLossOps['vicRegLoss']> {
  const { x, y, n, d, lambda, gradX, gradY } = op;
  const share = lambda / Math.max(n * d, 1);
  let loss = 0;
  for (let k = 0; k < n * d; k++) {
    const apart = (x[k] as number) - (y[k] as number);
    loss += share * apart * apart;
    if (gradX) gradX[k] = 2 * share * apart;
    if (gradY) gradY[k] = -2 * share * apart;
  }
  loss += spread(ops, op, x, gradX) + spread(ops, op, y, gradY);
  deliverNaN(loss, gradX, gradY);
  return loss;
}
