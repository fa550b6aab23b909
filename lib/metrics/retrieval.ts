import { backend } from '../backend.js';
import { checkChoice, checkInteger, checkLabels, checkMatrix, checkMemory, checkOptions, type Labels } from '../checks.js';
import { describe, failure } from '../errors.js';
import { zeros } from '../fresh.js';
import type { Matrix } from '../matrix.js';
import { type Metric, metrics } from '../ops/distances.js';
import { rowsByClass } from '../sampling.js';

/** Distances held at a time: 64 MiB, enough queries to be worth packing the references for. */
const blockValues = 2 ** 24;

export interface RetrievalOptions {
  /** Gallery to search, [M, D], with its labels; without it the queries search each other, the own row left out. */
  readonly reference?: Matrix;
  /** [M], with `reference` only. */
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
 * Retrieval metrics over the full ranking of every query; ties rank by index and NaN last, as in `nearest`. O(N·M·D) time, no
 * sort of M; blocks of distances of up to 64 MiB, or of one row. Equals pytorch-metric-learning's `AccuracyCalculator` with all
 * neighbours. Without any query that counts every figure is 0.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_OUT_OF_MEMORY
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
  const { rows, from, to } = relevantRows(labels, others);
  const descending = metric === 'dot' || metric === 'cosineSimilarity';
  const most = Math.min(Math.max(Math.floor(blockValues / Math.max(m, 1)), 1), n);
  const block = zeros(most, m).data;
  let numQueries = 0;
  for (let start = 0; start < n; start += most) {
    const count = Math.min(most, n - start);
    const values = block.subarray(0, count * m);
    backend().distances({ x: query.data.subarray(start * d, (start + count) * d), y: reference.data, n: count, m, d, metric, out: values });
    const [starts, ends] = [from.subarray(start, start + count), to.subarray(start, start + count)];
    const counts = starts.map((first, i) => (ends[i] as number) - first - (self ? 1 : 0));
    const all = new Int32Array(counts.reduce((sum, relevant) => sum + relevant, 0));
    const own = self ? start : -1;
    backend().relevantRanks({ values, n: count, m, descending, rows, from: starts, to: ends, own, ranks: all });
    let at = 0;
    for (const relevant of counts) {
      if (relevant === 0) continue;
      numQueries++;
      const ranks = all.subarray(at, (at += relevant));
      const first = ranks[0] as number;
      ranks.forEach((rank, t) => {
        const precision = (t + 1) / rank / relevant;
        sums.meanAveragePrecision += precision;
        if (rank > relevant) return;
        sums.mapAtR += precision;
        sums.rPrecision += 1 / relevant;
      });
      if (first === 1) sums.precisionAt1++;
      sums.mrr += 1 / first;
      recallAt.forEach((k, slot) => {
        if (first <= k) recallAtK[slot] = (recallAtK[slot] as number) + 1;
      });
    }
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

/** References grouped by class, and for every query which of them are of its own: labels are read once, in case they change. */
function relevantRows(labels: Int32Array, others: Int32Array): { rows: Int32Array; from: Int32Array; to: Int32Array } {
  const rows = new Int32Array(others.length);
  const [from, to] = [new Int32Array(labels.length), new Int32Array(labels.length)];
  const places = new Map<number, readonly [from: number, to: number]>();
  let at = 0;
  for (const [label, group] of rowsByClass(others)) {
    rows.set(group, at);
    places.set(label, [at, (at += group.length)]);
    if (labels !== others) continue;
    for (const row of group) [from[row], to[row]] = places.get(label) as [number, number];
  }
  if (labels !== others) labels.forEach((label, i) => ([from[i], to[i]] = places.get(label) ?? [0, 0]));
  return { rows, from, to };
}
