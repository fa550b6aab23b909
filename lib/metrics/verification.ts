import { checkFlags, checkInteger, checkMatrix, checkMatrixOf, checkMemory, checkNumber, checkOptions, type Labels } from '../checks.js';
import { failure } from '../errors.js';
import type { Matrix } from '../matrix.js';

// Three counts each: this bounds the tables to 384 MiB.
const mostCounts = 2 ** 24;

export interface VerificationOptions {
  /** k contiguous folds, at least 2 and at most N, default 10, or N where there are fewer pairs; the first N mod k are one pair longer. */
  readonly folds?: number;
  /** Thresholds i·step on the squared distance, step > 0, default 0.01. */
  readonly thresholdStep?: number;
  /** How many thresholds, default 400: up to 4, the largest squared distance of unit rows. At most 2²⁴ over all folds. */
  readonly numThresholds?: number;
}

export interface Verification {
  readonly foldAccuracy: Float64Array;
  readonly meanAccuracy: number;
  /** Divisor k. */
  readonly stdAccuracy: number;
  /** The threshold each fold took from the others. */
  readonly foldThreshold: Float64Array;
  /** For every threshold the mean over the folds of the rate on the fold itself; 0 for a fold without such pairs. */
  readonly tpr: Float64Array;
  readonly fpr: Float64Array;
}

/**
 * The k-fold protocol of LFW: accept a pair when ‖x1 − x2‖² < threshold; for every fold the first threshold with the best accuracy on the
 * other folds decides. Equals insightface's and facenet's `calculate_roc`; they normalise the rows first, here the caller does.
 * @param x1 [N, D]
 * @param x2 [N, D]
 * @param same [N], 1 for one identity
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_OUT_OF_MEMORY
 */
export function verification(x1: Matrix, x2: Matrix, same: Labels, options: VerificationOptions = {}): Verification {
  x1 = checkMatrix('x1', x1);
  const [n, d] = x1.shape;
  x2 = checkMatrixOf('x2', x2, n, d);
  options = checkOptions(options, ['folds', 'thresholdStep', 'numThresholds']);
  const most = Math.max(2, n);
  const folds = checkInteger('options.folds', options.folds ?? Math.min(10, most), 2, most);
  const step = checkNumber('options.thresholdStep', options.thresholdStep ?? 0.01, { min: 0, exclusive: true });
  const count = checkInteger('options.numThresholds', options.numThresholds ?? 400, 1);
  if (folds * count > mostCounts)
    throw failure('ERR_OUT_OF_MEMORY', 'options.numThresholds', `at most ${mostCounts} over all folds`, `${folds} × ${count}`);
  const flags = checkFlags('same', same, n);
  checkMemory({}, { x1, x2, same: flags });
  const tables = foldTables(x1, x2, flags, folds, step, count);
  const total = tables.reduce((sum, fold) => sum + fold.size, 0);
  const rightOverall = Float64Array.from({ length: count }, (_, t) => tables.reduce((sum, fold) => sum + (fold.right[t] as number), 0));
  const foldThreshold = new Float64Array(folds);
  const foldAccuracy = new Float64Array(folds);
  const [tpr, fpr] = [new Float64Array(count), new Float64Array(count)];
  tables.forEach((fold, f) => {
    let [best, record] = [0, -1];
    for (let t = 0; t < count; t++) {
      const elsewhere = ((rightOverall[t] as number) - (fold.right[t] as number)) / Math.max(total - fold.size, 1);
      if (elsewhere > record) [best, record] = [t, elsewhere];
      tpr[t] = (tpr[t] as number) + (fold.truePositives[t] as number) / Math.max(fold.positives, 1) / folds;
      fpr[t] = (fpr[t] as number) + (fold.falsePositives[t] as number) / Math.max(fold.size - fold.positives, 1) / folds;
    }
    foldThreshold[f] = best * step;
    foldAccuracy[f] = (fold.right[best] as number) / Math.max(fold.size, 1);
  });
  const meanAccuracy = foldAccuracy.reduce((a, b) => a + b, 0) / folds;
  const stdAccuracy = Math.sqrt(foldAccuracy.reduce((sum, a) => sum + (a - meanAccuracy) ** 2, 0) / folds);
  return { foldAccuracy, meanAccuracy, stdAccuracy, foldThreshold, tpr, fpr };
}

interface FoldTable {
  readonly size: number;
  readonly positives: number;
  /** Per threshold. */
  readonly right: Float64Array;
  readonly truePositives: Float64Array;
  readonly falsePositives: Float64Array;
}

function foldTables(x1: Matrix, x2: Matrix, flags: Int32Array, folds: number, step: number, count: number): FoldTable[] {
  const [n, d] = x1.shape;
  const tables: FoldTable[] = [];
  let start = 0;
  for (let f = 0; f < folds; f++) {
    const size = Math.floor(n / folds) + (f < n % folds ? 1 : 0);
    const truePositives = new Float64Array(count);
    const falsePositives = new Float64Array(count);
    let positives = 0;
    for (let i = start; i < start + size; i++) {
      let squared = 0;
      for (let k = i * d; k < i * d + d; k++) squared += ((x1.data[k] as number) - (x2.data[k] as number)) ** 2;
      positives += flags[i] as number;
      const table = flags[i] === 1 ? truePositives : falsePositives;
      const first = firstAbove(squared, step, count);
      if (first < count) table[first] = (table[first] as number) + 1;
    }
    for (const table of [truePositives, falsePositives])
      for (let t = 1; t < count; t++) table[t] = (table[t] as number) + (table[t - 1] as number);
    const right = truePositives.map((hits, t) => hits + (size - positives) - (falsePositives[t] as number));
    tables.push({ size, positives, right, truePositives, falsePositives });
    start += size;
  }
  return tables;
}

/** The first of the `count` thresholds t·step that accepts this distance; `count` without any. The quotient may be off by one. */
function firstAbove(squared: number, step: number, count: number): number {
  if (!(squared < (count - 1) * step)) return count;
  let t = Math.floor(squared / step);
  while (!(squared < t * step)) t++;
  while (squared < (t - 1) * step) t--;
  return t;
}
