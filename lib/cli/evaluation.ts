// What embeddings with labels are worth: verification of pairs, retrieval, and which classes are taken for which.
import { createRandom, type Matrix, nearest, normalize, retrieval, roc, samplePairs, takeRows, verification } from '../index.js';
import { mustBeFinite, UsageError } from './inputs.js';
import { pairDots, pairSquaredDistances } from './rows.js';

export interface EvaluationOptions {
  readonly metric: 'cosine' | 'euclidean';
  readonly pairs: number;
  /** Retrieval and confusions look at this many rows at most. */
  readonly rows: number;
  readonly seed: number;
}

export interface Confusion {
  readonly label: number;
  /** The class of the rows' nearest neighbours. */
  readonly taken: number;
  readonly count: number;
  /** Of the class's rows looked at. */
  readonly share: number;
}

export interface Evaluation {
  readonly rows: number;
  readonly dim: number;
  readonly classes: number;
  readonly options: EvaluationOptions;
  readonly verification: {
    readonly auc: number;
    readonly eer: number;
    readonly bestAccuracy: number;
    /** Ten folds as LFW has them, of unit rows; undefined for the Euclidean metric, whose scale its thresholds do not know. */
    readonly foldAccuracy: { readonly mean: number; readonly std: number } | undefined;
    readonly tarAtFar: readonly { readonly far: number; readonly tar: number }[];
  };
  readonly retrieval: {
    readonly rows: number;
    readonly precisionAt1: number;
    readonly rPrecision: number;
    readonly mapAtR: number;
    readonly mrr: number;
    readonly recallAtK: readonly { readonly k: number; readonly recall: number }[];
  };
  /** The most frequent first. */
  readonly confusions: readonly Confusion[];
  readonly curve: { readonly fpr: readonly number[]; readonly tpr: readonly number[] };
  /** Pairs by score, in bins of equal width. */
  readonly histogram: readonly { readonly from: number; readonly to: number; readonly genuine: number; readonly impostor: number }[];
}

/** A rate that fewer impostors than these have decided says nothing. */
const fewestAccepted = 10;
const foldPairs = 6000;
const bins = 60;
const mostConfusions = 200;
const curvePoints = 400;

/** Rows with their labels, at most `count`, chosen by the seed. */
function subset(x: Matrix, labels: Int32Array, count: number, seed: number): { x: Matrix; labels: Int32Array } {
  if (labels.length <= count) return { x, labels };
  const chosen = createRandom(seed)
    .shuffle(Int32Array.from(labels, (_, i) => i))
    .subarray(0, count)
    .sort();
  return { x: takeRows(x, chosen), labels: chosen.map((row) => labels[row] as number) };
}

function histogramOf(scores: Float32Array, same: Uint8Array): Evaluation['histogram'] {
  const low = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY);
  const high = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const width = (high - low) / bins || 1;
  const counts = [0, 1].map(() => new Float64Array(bins));
  scores.forEach((score, i) => {
    const bin = Math.min(Math.floor((score - low) / width), bins - 1);
    const side = counts[same[i] as number] as Float64Array;
    side[bin] = (side[bin] as number) + 1;
  });
  return Array.from({ length: bins }, (_, bin) => ({
    from: low + bin * width,
    to: low + (bin + 1) * width,
    genuine: counts[1]?.[bin] as number,
    impostor: counts[0]?.[bin] as number,
  }));
}

function confusionsOf(x: Matrix, labels: Int32Array): Confusion[] {
  const neighbour = nearest(x).indices.data;
  const rowsOf = new Map<number, number>();
  const counts = new Map<string, Omit<Confusion, 'share'>>();
  labels.forEach((label, i) => {
    rowsOf.set(label, (rowsOf.get(label) ?? 0) + 1);
    const taken = labels[neighbour[i] as number] as number;
    if (taken === label) return;
    const key = `${label} ${taken}`;
    counts.set(key, { label, taken, count: (counts.get(key)?.count ?? 0) + 1 });
  });
  return [...counts.values()]
    .map((found) => ({ ...found, share: found.count / (rowsOf.get(found.label) as number) }))
    .sort((a, b) => b.count - a.count || a.label - b.label || a.taken - b.taken)
    .slice(0, mostConfusions);
}

function ofPairs(x: Matrix, labels: Int32Array, { metric, pairs: count, seed }: EvaluationOptions) {
  const { pairs, same } = samplePairs(labels, { count, seed });
  const scores = Float32Array.from(metric === 'cosine' ? pairDots(x, pairs.data) : pairSquaredDistances(x, pairs.data).map((d) => -d));
  const impostors = same.length - same.reduce((sum, flag) => sum + flag, 0);
  const fars = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5].filter((far) => far * impostors >= fewestAccepted);
  const { auc, eer, bestAccuracy, tarAtFar, fpr, tpr } = roc(scores, same, { fars });
  const step = Math.ceil(fpr.length / curvePoints);
  const thinned = (values: Float64Array): number[] => Array.from(values).filter((_, i) => i % step === 0 || i === values.length - 1);
  const folded = Math.min(foldPairs, same.length);
  const side = (which: number): Matrix =>
    takeRows(
      x,
      pairs.data.subarray(0, 2 * folded).filter((_, i) => i % 2 === which),
    );
  const folds = metric === 'cosine' && folded >= 2 ? verification(side(0), side(1), same.subarray(0, folded)) : undefined;
  const foldAccuracy = folds && { mean: folds.meanAccuracy, std: folds.stdAccuracy };
  return {
    verification: { auc, eer, bestAccuracy, foldAccuracy, tarAtFar: fars.map((far, i) => ({ far, tar: tarAtFar[i] as number })) },
    curve: { fpr: thinned(fpr), tpr: thinned(tpr) },
    histogram: histogramOf(scores, same),
  };
}

export function evaluate(given: Matrix, labels: Int32Array, options: EvaluationOptions): Evaluation {
  mustBeFinite(given);
  const classes = new Set(labels).size;
  if (classes < 2 || classes === labels.length)
    throw new UsageError(`two classes and a class with two rows are needed; ${labels.length} rows have ${classes} classes`);
  const x = options.metric === 'cosine' ? normalize(given) : given;
  const seen = subset(x, labels, options.rows, options.seed);
  const ks = [1, 5, 10].filter((k) => k < seen.labels.length);
  const found = retrieval(seen.x, seen.labels, { recallAt: ks });
  const { precisionAt1, rPrecision, mapAtR, mrr } = found;
  return {
    rows: labels.length,
    dim: given.shape[1],
    classes,
    options,
    ...ofPairs(x, labels, options),
    retrieval: {
      rows: seen.labels.length,
      precisionAt1,
      rPrecision,
      mapAtR,
      mrr,
      recallAtK: ks.map((k, i) => ({ k, recall: found.recallAtK[i] as number })),
    },
    confusions: confusionsOf(seen.x, seen.labels),
  };
}
