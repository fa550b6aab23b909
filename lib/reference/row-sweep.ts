// Sweeps over the rows of a batch: one row's distances or similarities at a time, the loss's derivatives by them, and the rules
// that hold for all such losses. Memory O(columns·d) for unit rows and gradient, O(columns) for the row.
import type { LabelledBatchOp } from '../ops/batch-losses.js';
import { batchOf } from './pair-distances.js';

export type RowDistance = 'euclidean' | 'squaredEuclidean' | 'cosineSimilarity';

/** Row i with its value to every column j, which may be overwritten; `derivatives` starts at 0 and takes ∂loss/∂value(i, j). */
type Visit = (i: number, values: Float64Array, derivatives: Float64Array) => void;

export interface Rows {
  /** What each row of the batch is compared with: the rows of the batch, then those of the memory. */
  readonly columns: number;
  /** Of the columns. */
  readonly labels: Int32Array;
  /** How many other columns have the label of row i, for every row of the batch: rows of the memory are no anchors. */
  readonly positives: Int32Array;
  readonly value: (i: number, j: number) => number;
  /** Adds g·∂value(i, j)/∂x to the gradient, where one is wanted. */
  readonly addGradient: (g: number, i: number, j: number) => void;
  /** Visits every row of the batch in order. */
  readonly sweep: (visit: Visit) => void;
  /** Writes the gradient and returns the loss: NaN, as is all that is returned, where the loss or any value between two rows was NaN. */
  readonly finish: (loss: number) => number;
}

export function rowsOf(op: LabelledBatchOp, distance: RowDistance, normalize = true): Rows {
  const { n, gradX, perExample } = op;
  const batch = batchOf({ ...op, distance, normalize });
  const { columns, labels } = batch;
  // The batch's `apart` is −s for a similarity.
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  const value = (i: number, j: number): number => sign * batch.apart(i, j);
  const addGradient = (g: number, i: number, j: number): void => {
    if (gradX) batch.addGradient(sign * g, i, j);
  };
  const [values, derivatives] = [new Float64Array(columns), new Float64Array(columns)];
  let undefinedPairs = batch.anyInfinite;
  const sweep = (visit: Visit): void => {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < columns; j++) {
        values[j] = value(i, j);
        if (j !== i) undefinedPairs ||= Number.isNaN(values[j]);
      }
      derivatives.fill(0);
      visit(i, values, derivatives);
      for (let j = 0; j < columns; j++) addGradient(derivatives[j] as number, i, j);
    }
  };
  const finish = (loss: number): number => {
    const result = undefinedPairs ? Number.NaN : loss;
    if (Number.isNaN(result)) {
      gradX?.fill(result);
      perExample?.fill(result);
    }
    // One row takes part in nothing, whatever it holds.
    else if (columns < 2) gradX?.fill(0);
    else if (gradX) batch.writeGradient(gradX);
    return result;
  };
  return { columns, labels, positives: positivesOf(labels, n), value, addGradient, sweep, finish };
}

/** How many other columns have the label of row i, for the first n. */
function positivesOf(labels: Int32Array, n: number): Int32Array {
  const sizes = new Map<number, number>();
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  return labels.slice(0, n).map((label) => (sizes.get(label) as number) - 1);
}

/** Ordered pairs of an anchor and another column: positive ones, and the others. */
export function countPairs({ positives, columns }: Rows): { positive: number; negative: number } {
  const positive = positives.reduce((sum, count) => sum + count, 0);
  return { positive, negative: positives.length * (columns - 1) - positive };
}

/** Whether row i has both a positive and a negative. */
export function hasBoth({ positives, columns }: Rows, i: number): boolean {
  const own = positives[i] as number;
  return own > 0 && own < columns - 1;
}

/** 1 over the number of rows that count, by default those that have a positive: the weight of each of them in their mean. */
export function anchorShare({ positives }: Rows, counts = (i: number): boolean => (positives[i] as number) > 0): number {
  return 1 / Math.max(positives.filter((_, i) => counts(i)).length, 1);
}

/** The two sides of row i: which columns are of its class, itself left out, and which are of another. */
export function sidesOf(
  { labels }: Pick<Rows, 'labels'>,
  i: number,
): { positive: (j: number) => boolean; negative: (j: number) => boolean } {
  return { positive: (j) => j !== i && labels[j] === labels[i], negative: (j) => labels[j] !== labels[i] };
}
