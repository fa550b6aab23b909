// Distances inside one batch, for pair losses and miners: rows optionally normalised first, one distance function over them,
// and gradients gathered per pair and taken back through the normalisation once at the end.
import type { PairDistance } from '../ops/pairs.js';
import type { Values } from '../ops/types.js';
import { gradientOf, measureOf } from './distances.js';
import { comparedRows } from './rows.js';

export interface Batch {
  readonly n: number;
  readonly labels: Int32Array;
  /** d(i, j), or −s(i, j) for a similarity: always small for likeness, so that miners need one rule. */
  readonly apart: (i: number, j: number) => number;
  /** Adds g·∂apart(i, j)/∂rows to the running gradient. */
  readonly addGradient: (g: number, i: number, j: number) => void;
  /** Writes the gathered gradient with respect to the rows as given. */
  readonly writeGradient: (gradX: Values) => void;
}

export interface BatchInput {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly d: number;
  readonly distance: PairDistance;
  readonly normalize: boolean;
}

export function batchOf({ x, labels, n, d, distance, normalize }: BatchInput): Batch {
  // Cosines are those of unit rows anyway; normalising first makes them plain dots.
  const { rows, gradient, toGiven } = comparedRows(x, n, d, normalize || distance === 'cosineSimilarity');
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  const metric = distance === 'cosineSimilarity' ? 'dot' : distance;
  const value = measureOf(metric, { x: rows, y: rows, d });
  const add = gradientOf(metric, { x: rows, y: rows, d }, gradient, gradient);
  return {
    n,
    labels,
    apart: (i, j) => sign * value(i * d, j * d),
    addGradient: (g, i, j) => {
      if (g !== 0) add(sign * g, i * d, j * d);
    },
    writeGradient: (gradX) => gradX.set(toGiven()),
  };
}

/** All distances of a batch [n, n] in float64: what the miners walk. */
export function apartMatrix(batch: Batch): Float64Array {
  const { n } = batch;
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) out[i * n + j] = batch.apart(i, j);
  return out;
}
