import { checkFlags, checkMemory, checkNumber, checkOptions, checkVector, type Labels } from '../checks.js';
import { describe, failure } from '../errors.js';

export interface RocOptions {
  /** False accept rates in [0, 1] at which to read the true accept rate; default [1e-3, 1e-2, 1e-1]. */
  readonly fars?: readonly number[];
}

export interface Roc {
  /** Distinct scores, descending; accept when score ≥ threshold. One fewer than the points. */
  readonly thresholds: Float64Array;
  /** False and true accept rates; they start at (0, 0). 0 throughout where there are no impostors or no genuine pairs. */
  readonly fpr: Float64Array;
  readonly tpr: Float64Array;
  /** Area by trapezoids: ties count half. */
  readonly auc: number;
  /** For every far the largest tpr among the points with fpr ≤ far. */
  readonly tarAtFar: Float64Array;
  /** Equal error rate: fpr where the polyline crosses tpr = 1 − fpr. So 1 without genuine pairs, 0 without impostors or without scores. */
  readonly eer: number;
  /** Best share of right decisions over all points. */
  readonly bestAccuracy: number;
}

/**
 * The receiver operating characteristic of verification scores, O(n log n). Of one kind of pairs alone the other's rate is 0 throughout, and so is `auc`.
 * @param scores [N], large for genuine pairs; negate distances
 * @param labels [N], 1 genuine, 0 impostor
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE (a NaN score), ERR_LABEL_RANGE
 */
export function roc(scores: Float32Array, labels: Labels, options: RocOptions = {}): Roc {
  checkVector('scores', scores, (scores as Float32Array | undefined)?.length ?? 0);
  options = checkOptions(options, ['fars']);
  const given = options.fars ?? [1e-3, 1e-2, 1e-1];
  if (!Array.isArray(given)) throw failure('ERR_TYPE', 'options.fars', 'an array of numbers', describe(given));
  const fars = Array.from(given, (far, i) => checkNumber(`options.fars[${i}]`, far, { min: 0, max: 1 }));
  const nan = scores.findIndex(Number.isNaN);
  if (nan >= 0) throw failure('ERR_OPTION_RANGE', `scores[${nan}]`, 'a number', 'NaN');
  const flags = checkFlags('labels', labels, scores.length);
  checkMemory({}, { scores, labels: flags });
  const { thresholds, accepted, genuine } = sweep(scores, flags);
  const positives = genuine[genuine.length - 1] as number;
  const negatives = scores.length - positives;
  const tpr = genuine.map((hits) => hits / Math.max(positives, 1));
  const fpr = genuine.map((hits, t) => ((accepted[t] as number) - hits) / Math.max(negatives, 1));
  let [auc, eer, best] = [0, Number.NaN, 0];
  for (let t = 0; t < tpr.length; t++) {
    const right = (genuine[t] as number) + negatives - ((accepted[t] as number) - (genuine[t] as number));
    best = Math.max(best, right / Math.max(scores.length, 1));
    if (t === 0) continue;
    const [f0, f1, t0, t1] = [fpr[t - 1], fpr[t], tpr[t - 1], tpr[t]] as [number, number, number, number];
    auc += ((f1 - f0) * (t0 + t1)) / 2;
    // fpr + tpr rises from 0; the crossing is where it reaches 1.
    if (Number.isNaN(eer) && f1 + t1 >= 1) eer = f0 + ((f1 - f0) * (1 - f0 - t0)) / (f1 + t1 - f0 - t0);
  }
  const tarAtFar = Float64Array.from(fars, (far) =>
    tpr.reduce((max, value, t) => ((fpr[t] as number) <= far && value > max ? value : max), 0),
  );
  return { thresholds, fpr, tpr, auc, tarAtFar, eer: Number.isNaN(eer) ? 0 : eer, bestAccuracy: best };
}

/** Counts accepted and genuine-accepted after each distinct score, from none accepted: both kinds sorted by themselves, then merged. */
function sweep(scores: Float32Array, flags: Int32Array) {
  const [genuineScores, impostorScores] = [1, 0].map((kind) => scores.filter((_, i) => flags[i] === kind).sort()) as [
    Float32Array,
    Float32Array,
  ];
  const [thresholds, accepted, genuine] = [0, 1, 1].map((first) => new Float64Array(scores.length + first)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  let [hits, errors, points] = [0, 0, 0];
  const best = (sorted: Float32Array, taken: number): number =>
    taken < sorted.length ? (sorted[sorted.length - 1 - taken] as number) : -Infinity;
  while (hits + errors < scores.length) {
    const score = Math.max(best(genuineScores, hits), best(impostorScores, errors));
    while (hits < genuineScores.length && best(genuineScores, hits) === score) hits++;
    while (errors < impostorScores.length && best(impostorScores, errors) === score) errors++;
    thresholds[points++] = score;
    accepted[points] = hits + errors;
    genuine[points] = hits;
  }
  return { thresholds: thresholds.slice(0, points), accepted: accepted.subarray(0, points + 1), genuine: genuine.subarray(0, points + 1) };
}
