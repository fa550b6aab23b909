import { backend } from '../backend.js';
import { checkChoice, checkInteger, checkLabels, checkMatrix, checkMemory, checkOptions, type Labels } from '../checks.js';
import { describe, failure } from '../errors.js';
import type { Matrix } from '../matrix.js';
import { type Metric, metrics } from '../ops/distances.js';

export interface RetrievalOptions {
  /** Gallery to search, [M, D], with its labels; without it the queries search each other, the own row left out. */
  readonly reference?: Matrix;
  readonly referenceLabels?: Labels;
  /** Default `squaredEuclidean`. */
  readonly metric?: Metric;
  /** The k of recall@k, each at least 1; default [1, 2, 4, 8]. */
  readonly recallAt?: readonly number[];
}

export interface Retrieval {
  /** Queries that have a relevant reference; the others count nowhere. */
  readonly numQueries: number;
  readonly precisionAt1: number;
  /** Hits among the first R, over R; R is the number of relevant references. */
  readonly rPrecision: number;
  /** (1/R) Σ_{k≤R} prec@k·rel_k (Musgrave et al. 2020). */
  readonly mapAtR: number;
  readonly meanAveragePrecision: number;
  /** Mean reciprocal rank of the first hit. */
  readonly mrr: number;
  /** Share of queries with a hit among the first k, for every k of `recallAt`. */
  readonly recallAtK: Float64Array;
}

/**
 * Retrieval metrics over the full ranking of every query; ties rank by index and NaN last, as in `nearest`. One query's ranking is held at a time.
 * Equals pytorch-metric-learning's `AccuracyCalculator` with all neighbours. Without any query that counts every figure is 0.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE
 */
export function retrieval(query: Matrix, queryLabels: Labels, options: RetrievalOptions = {}): Retrieval {
  query = checkMatrix('query', query);
  const [n, d] = query.shape;
  options = checkOptions(options, ['reference', 'referenceLabels', 'metric', 'recallAt']);
  const self = options.reference === undefined;
  if (self !== (options.referenceLabels === undefined)) {
    throw failure('ERR_OPTION_RANGE', 'options.referenceLabels', 'reference and referenceLabels together', 'one of the two');
  }
  const reference = self ? query : checkMatrix('options.reference', options.reference, d);
  const given = options.recallAt ?? [1, 2, 4, 8];
  if (!Array.isArray(given)) throw failure('ERR_TYPE', 'options.recallAt', 'an array of integers', describe(given));
  const recallAt = Array.from(given, (k, i) => checkInteger(`options.recallAt[${i}]`, k, 1));
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  const labels = checkLabels('queryLabels', queryLabels, n);
  const m = reference.shape[0];
  const others = self ? labels : checkLabels('options.referenceLabels', options.referenceLabels, m);
  checkMemory({}, { query, queryLabels: labels, 'options.reference': reference, 'options.referenceLabels': others });

  const sums = { precisionAt1: 0, rPrecision: 0, mapAtR: 0, meanAveragePrecision: 0, mrr: 0 };
  const recallAtK = new Float64Array(recallAt.length);
  const row = new Float32Array(m);
  const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
  const byLikeness = (a: number, b: number): number => {
    const [left, right] = [sign * (row[a] as number), sign * (row[b] as number)];
    if (left < right) return -1;
    if (left > right) return 1;
    // Equal, or a NaN, which comes after everything else, infinities included.
    return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || a - b;
  };
  let numQueries = 0;
  for (let i = 0; i < n; i++) {
    const relevant = others.reduce((count, label, j) => count + (label === labels[i] && !(self && i === j) ? 1 : 0), 0);
    if (relevant === 0) continue;
    numQueries++;
    const x = query.data.subarray(i * d, i * d + d);
    backend().distances({ x, y: reference.data, n: 1, m, d, metric, out: row });
    const ranked = Uint32Array.from({ length: m }, (_, j) => j).filter((j) => !(self && i === j));
    ranked.sort(byLikeness);
    let [hits, first] = [0, 0];
    for (let rank = 1; rank <= ranked.length && hits < relevant; rank++) {
      if (others[ranked[rank - 1] as number] !== labels[i]) continue;
      hits++;
      first ||= rank;
      const precision = hits / rank / relevant;
      sums.meanAveragePrecision += precision;
      if (rank <= relevant) {
        sums.mapAtR += precision;
        sums.rPrecision += 1 / relevant;
      }
    }
    if (first === 1) sums.precisionAt1++;
    sums.mrr += 1 / first;
    recallAt.forEach((k, at) => {
      if (first <= k) recallAtK[at] = (recallAtK[at] as number) + 1;
    });
  }
  const mean = (sum: number): number => sum / Math.max(numQueries, 1);
  return {
    numQueries,
    precisionAt1: mean(sums.precisionAt1),
    rPrecision: mean(sums.rPrecision),
    mapAtR: mean(sums.mapAtR),
    meanAveragePrecision: mean(sums.meanAveragePrecision),
    mrr: mean(sums.mrr),
    recallAtK: recallAtK.map(mean),
  };
}
