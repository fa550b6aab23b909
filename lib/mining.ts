import { backend } from './backend.js';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkLabels,
  checkMatrix,
  checkMemory,
  checkNumber,
  checkOptions,
  checkSeed,
  type Labels,
} from './checks.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import {
  type PairDistance,
  type PairStrategy,
  pairDistances,
  pairStrategies,
  type TripletStrategy,
  tripletStrategies,
} from './ops/pairs.js';

export interface MineTripletsOptions {
  /**
   * With gap = d(a,n) − d(a,p): `all`; `violating` gap < margin; `semiHard` 0 < gap ≤ margin; `hard` gap ≤ 0; `easy` gap > margin
   * (pytorch-metric-learning's `TripletMarginMiner`). `batchHard` (default): per anchor the farthest positive and the closest negative
   * (Hermans et al. 2017). `semiHardClosest`: per positive pair the closest negative beyond the positive, or the farthest one if there is
   * none (TensorFlow Addons). `hardestViolating`: per pair a < p the closest negative, if it violates (siamese-triplet).
   * `faceNetSemiHard`: per positive pair a random negative with 0 < gap < margin (Schroff et al. 2015).
   */
  readonly strategy?: TripletStrategy;
  /** Default `euclidean`; a similarity s counts as d = −s. */
  readonly distance?: PairDistance;
  /** Compare unit rows, default true; cosine similarity always does. */
  readonly normalize?: boolean;
  /** At least 0, default 0.2. */
  readonly margin?: number;
  /** For `faceNetSemiHard`, default 0. */
  readonly seed?: number;
  /** More than this is an error before anything is allocated; default 2²⁶. */
  readonly maxTriplets?: number;
}

/** What decides which triplets of a batch are chosen, checked and with its defaults. */
export function checkMiningRule(options: MineTripletsOptions) {
  return {
    strategy: checkChoice('options.strategy', options.strategy ?? 'batchHard', tripletStrategies),
    distance: checkChoice('options.distance', options.distance ?? 'euclidean', pairDistances),
    normalize: checkBoolean('options.normalize', options.normalize ?? true),
    margin: checkNumber('options.margin', options.margin ?? 0.2, { min: 0 }),
  };
}

/**
 * Selects triplets (anchor, positive, negative) of a batch, [T, 3], sorted; ties go to the lowest index, and a batch without any gives [0, 3].
 * Holds the B × B distances.
 * @param x embeddings [B, D]
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_OUT_OF_MEMORY with the size beyond maxTriplets
 */
export function mineTriplets(x: Matrix, labels: Labels, options: MineTripletsOptions = {}): IndexMatrix {
  x = checkMatrix('x', x);
  options = checkOptions(options, ['strategy', 'distance', 'normalize', 'margin', 'seed', 'maxTriplets']);
  const [n, d] = x.shape;
  const rule = checkMiningRule(options);
  const seed = checkSeed('options.seed', options.seed ?? 0);
  const maxTriplets = checkInteger('options.maxTriplets', options.maxTriplets ?? 2 ** 26, 0);
  const checked = checkLabels('labels', labels, n);
  checkMemory({}, { x, labels: checked });
  const data = backend().mineTriplets({ x: x.data, labels: checked, n, d, ...rule, seed, maxTriplets });
  return { data, shape: [data.length / 3, 3] };
}

export interface MinePairsOptions {
  /**
   * `multiSimilarity` (default; Wang et al. 2019): negatives more alike than the least alike positive minus epsilon, positives less alike than the
   * most alike negative plus epsilon. `pairMargin`: positives beyond posMargin and negatives within negMargin. `batchHard`: per row its
   * farthest positive and its closest negative.
   */
  readonly strategy?: PairStrategy;
  /** Default `cosineSimilarity`. */
  readonly distance?: PairDistance;
  readonly normalize?: boolean;
  /** `multiSimilarity`: default 0.1. */
  readonly epsilon?: number;
  /** `pairMargin`: default 0.2, or 0.8 for similarities. */
  readonly posMargin?: number;
  /** `pairMargin`: default 0.8, or 0.2 for similarities. */
  readonly negMargin?: number;
}

export interface MinedPairs {
  /** (i, j) of one class, [P, 2], sorted. */
  readonly positivePairs: IndexMatrix;
  /** (i, j) of two classes, [P, 2], sorted. */
  readonly negativePairs: IndexMatrix;
}

/**
 * Selects the hard pairs of a batch: contrastive training on them converges faster than on random ones.
 * @param x embeddings [B, D]
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE
 */
export function minePairs(x: Matrix, labels: Labels, options: MinePairsOptions = {}): MinedPairs {
  x = checkMatrix('x', x);
  options = checkOptions(options, ['strategy', 'distance', 'normalize', 'epsilon', 'posMargin', 'negMargin']);
  const [n, d] = x.shape;
  const strategy = checkChoice('options.strategy', options.strategy ?? 'multiSimilarity', pairStrategies);
  const distance = checkChoice('options.distance', options.distance ?? 'cosineSimilarity', pairDistances);
  const similar = distance === 'cosineSimilarity';
  const normalize = checkBoolean('options.normalize', options.normalize ?? true);
  const epsilon = checkNumber('options.epsilon', options.epsilon ?? 0.1, { min: 0 });
  const posMargin = checkNumber('options.posMargin', options.posMargin ?? (similar ? 0.8 : 0.2));
  const negMargin = checkNumber('options.negMargin', options.negMargin ?? (similar ? 0.2 : 0.8));
  const checked = checkLabels('labels', labels, n);
  checkMemory({}, { x, labels: checked });
  const mined = backend().minePairs({ x: x.data, labels: checked, n, d, strategy, distance, normalize, epsilon, posMargin, negMargin });
  const shaped = (data: Int32Array): IndexMatrix => ({ data, shape: [data.length / 2, 2] });
  return { positivePairs: shaped(mined.positivePairs), negativePairs: shaped(mined.negativePairs) };
}
