// How well rows tell same from different: random pairs, the same ones for whatever made the rows.
import { pairSquaredDistances } from '../../lib/cli/rows.js';
import { type Matrix, matrix, normalize, roc, samplePairs } from '../../lib/index.js';

export interface Figures {
  readonly auc: number;
  readonly eer: number;
  readonly tarAt1e2: number;
  readonly tarAt1e3: number;
}

// A tenth are positive: 45 of the 45,000 negative ones make a false acceptance rate of 0.1 %.
const pairCount = 50_000;

/** Scores pairs of rows by −‖·‖². */
export function figuresOf(x: Matrix, labels: Int32Array, seed: number): Figures {
  const { pairs, same } = samplePairs(labels, { count: pairCount, positiveShare: 0.1, seed });
  const scores = Float32Array.from(pairSquaredDistances(x, pairs.data), (d) => -d);
  const { auc, eer, tarAtFar } = roc(scores, same, { fars: [1e-2, 1e-3] });
  return { auc, eer, tarAt1e2: tarAtFar[0] as number, tarAt1e3: tarAtFar[1] as number };
}

/** Rows whose squared distance is 2 − 2·(Pearson's correlation of the rows given). */
export function standardized({ data, shape: [n, d] }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  for (let row = 0; row < n; row++) {
    const values = data.subarray(row * d, row * d + d);
    const mean = values.reduce((sum, value) => sum + value, 0) / d;
    for (let k = 0; k < d; k++) out[row * d + k] = (values[k] as number) - mean;
  }
  return normalize(matrix(out, d));
}
