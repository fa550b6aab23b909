// Distances inside one batch, for pair losses and miners: rows optionally normalised first, one distance function over them,
// and gradients gathered per pair and taken back through the normalisation once at the end.
import type { MemoryRows } from '../ops/batch-losses.js';
import type { PairDistance } from '../ops/pairs.js';
import type { Values } from '../ops/types.js';
import { gradientOf, measureOf } from './distances.js';
import { comparedRows } from './rows.js';

export interface Batch {
  /** Anchors: the rows of the batch. */
  readonly n: number;
  /** What they are compared with: the rows of the batch, then those of the memory. */
  readonly columns: number;
  /** Of all columns. */
  readonly labels: Int32Array;
  /** Whether rows are compared as given and one of them holds an infinity: a loss over them is NaN, as it is where a length divides them. */
  readonly anyInfinite: boolean;
  /** d(i, j), or −s(i, j) for a similarity: always small for likeness, so that miners need one rule. */
  readonly apart: (i: number, j: number) => number;
  /** Adds g·∂apart(i, j)/∂rows to the running gradient. */
  readonly addGradient: (g: number, i: number, j: number) => void;
  /** Writes the gathered gradient with respect to the rows as given; rows of the memory are constants, and theirs is left out. */
  readonly writeGradient: (gradX: Values) => void;
}

export interface BatchInput {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly d: number;
  readonly distance: PairDistance;
  readonly normalize: boolean;
  readonly memory?: MemoryRows | undefined;
}

/** The batch's rows and labels, with those of the memory behind them. */
function columnsOf({ x, labels, n, d, memory }: BatchInput): Pick<BatchInput, 'x' | 'labels'> & { readonly columns: number } {
  if (!memory || memory.m === 0) return { x, labels, columns: n };
  const columns = n + memory.m;
  const all = new Float64Array(columns * d);
  all.set(x.subarray(0, n * d));
  all.set(memory.x.subarray(0, memory.m * d), n * d);
  const allLabels = new Int32Array(columns);
  allLabels.set(labels.subarray(0, n));
  allLabels.set(memory.labels.subarray(0, memory.m), n);
  return { x: all, labels: allLabels, columns };
}

export function batchOf(input: BatchInput): Batch {
  const { n, d, distance, normalize } = input;
  const { x, labels, columns } = columnsOf(input);
  // Cosines are those of unit rows anyway; normalising first makes them plain dots.
  const unitFirst = normalize || distance === 'cosineSimilarity';
  const { rows, gradient, toGiven } = comparedRows(x, columns, d, unitFirst);
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  const metric = distance === 'cosineSimilarity' ? 'dot' : distance;
  const value = measureOf(metric, { x: rows, y: rows, d });
  const add = gradientOf(metric, { x: rows, y: rows, d }, gradient, gradient);
  return {
    n,
    columns,
    labels,
    anyInfinite: !unitFirst && n > 0 && columns > 1 && x.subarray(0, columns * d).some((value) => Math.abs(value) === Infinity),
    apart: (i, j) => sign * value(i * d, j * d),
    addGradient: (g, i, j) => {
      if (g !== 0) add(sign * g, i * d, j * d);
    },
    writeGradient: (gradX) => gradX.set(toGiven().subarray(0, n * d)),
  };
}

/** The distances of a batch's anchors, or of its first `rows` columns, to all columns, in float64: what the miners walk. */
export function apartMatrix({ n, columns, apart }: Batch, rows = n): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) if (i !== j) out[i * columns + j] = apart(i, j);
  return out;
}
