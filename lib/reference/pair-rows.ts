// Losses that compare one row of a batch with all the others: the distances or similarities of a row at a time, its term of the loss and the
// term's derivatives, so that beside the rows and their gradient only O(N) is held.
import type { Values } from '../ops/types.js';
import { type BatchInput, batchOf } from './pair-distances.js';

interface RowsInput extends BatchInput {
  readonly gradX?: Values | undefined;
}

/**
 * The term of row i, scale included. `values` has its distances or similarities (NaN at i itself, which no loss compares with itself) and may be
 * overwritten; `g` comes as zeros and takes ∂term/∂values.
 */
export type RowTerm = (i: number, values: Float64Array, g: Float64Array) => number;

/** Σ_i term(i), and its gradient. A loss that is NaN has a gradient of nothing else. */
export function sumOfRows(input: RowsInput, term: RowTerm): number {
  const { n, distance, gradX } = input;
  const batch = batchOf(input);
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  const [values, g] = [new Float64Array(n), new Float64Array(n)];
  let loss = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) values[j] = i === j ? Number.NaN : sign * batch.apart(i, j);
    g.fill(0);
    loss += term(i, values, g);
    if (gradX) for (let j = 0; j < n; j++) batch.addGradient(sign * (g[j] as number), i, j);
  }
  if (Number.isNaN(loss)) gradX?.fill(loss);
  else if (gradX) batch.writeGradient(gradX);
  return loss;
}

/** Which rows of the batch are of i's class, and which are not. */
export interface Sides {
  /** Rows of the class of i, i among them. */
  readonly classSize: Int32Array;
  /** Ordered pairs of one class. */
  readonly positivePairs: number;
  readonly isPositive: (i: number) => (j: number) => boolean;
  readonly isNegative: (i: number) => (j: number) => boolean;
  /** Whether i has a positive and a negative. */
  readonly hasBoth: (i: number) => boolean;
}

export function sidesOf(labels: Int32Array): Sides {
  const sizes = new Map<number, number>();
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  const classSize = labels.map((label) => sizes.get(label) as number);
  return {
    classSize,
    positivePairs: classSize.reduce((sum, size) => sum + size - 1, 0),
    isPositive: (i) => (j) => j !== i && labels[j] === labels[i],
    isNegative: (i) => (j) => labels[j] !== labels[i],
    hasBoth: (i) => (classSize[i] as number) > 1 && (classSize[i] as number) < labels.length,
  };
}
