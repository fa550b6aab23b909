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
import { failure } from './errors.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import {
  type EasyHardChoice,
  easyHardChoices,
  type MiningStrategy,
  miningStrategies,
  type PairDistance,
  type PairStrategy,
  pairDistances,
  pairStrategies,
} from './ops/pairs.js';

export interface MineTripletsOptions {
  /**
   * With gap = d(a,n) − d(a,p): `all`; `violating` gap < margin; `semiHard` 0 < gap ≤ margin; `hard` gap ≤ 0; `easy` gap > margin
   * (pytorch-metric-learning's `TripletMarginMiner`, which counts gap = margin as violating too). `batchHard` (default): per anchor the farthest positive and the closest negative
   * (Hermans et al. 2017). `semiHardClosest`: per positive pair the closest negative beyond the positive, or the farthest one if there is
   * none (TensorFlow Addons). `hardestViolating`: per pair a < p the closest negative, if it violates (siamese-triplet).
   * `faceNetSemiHard`: per positive pair a random negative with 0 < gap < margin (Schroff et al. 2015). `distanceWeighted`: per positive pair a
   * random negative with weight d²⁻ᴰ·(1 − d²/4)^((3−D)/2), d at least 0.5, and none from d = 1.4 on (Wu et al. 2017, pytorch-metric-learning's
   * `DistanceWeightedMiner`); needs Euclidean distances of unit rows.
   */
  readonly strategy?: MiningStrategy;
  /** Default `euclidean`; a similarity s counts as d = −s. */
  readonly distance?: PairDistance;
  /** Compare unit rows, default true; cosine similarity always does. */
  readonly normalize?: boolean;
  /** At least 0, default 0.2. What names no margin above does not ask for it, and a miner may be given that of the loss all the same. */
  readonly margin?: number;
  /** Of random choices: `faceNetSemiHard`, `distanceWeighted` and `subsample`; default 0. */
  readonly seed?: number;
  /** Where the rule selects more triplets than this, a uniform sample of exactly so many, at least 0; takes time for all of them. Default: all. */
  readonly subsample?: number;
  /** More than this, after `subsample`, is an error before the result is allocated; default 2²⁶. */
  readonly maxTriplets?: number;
}

/** What decides which triplets of a batch are chosen, checked and with its defaults. */
export function checkMiningRule(options: MineTripletsOptions) {
  const rule = {
    strategy: checkChoice('options.strategy', options.strategy ?? 'batchHard', miningStrategies),
    distance: checkChoice('options.distance', options.distance ?? 'euclidean', pairDistances),
    normalize: checkBoolean('options.normalize', options.normalize ?? true),
    margin: checkNumber('options.margin', options.margin ?? 0.2, { min: 0 }),
  };
  if (rule.strategy === 'distanceWeighted') {
    // The weights are those of distances on the unit sphere.
    const beside = "beside strategy 'distanceWeighted'";
    if (rule.distance !== 'euclidean') throw failure('ERR_OPTION_RANGE', 'options.distance', `'euclidean' ${beside}`, `'${rule.distance}'`);
    if (!rule.normalize) throw failure('ERR_OPTION_RANGE', 'options.normalize', `true ${beside}`, 'false');
  }
  return rule;
}

/**
 * Selects triplets (anchor, positive, negative) of a batch, [T, 3], sorted; ties go to the lowest index, and a batch without any gives [0, 3].
 * Distances exist for a block of anchors at a time: at most 2²² of them, or those of 32 anchors.
 * @param x embeddings [B, D]
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_OUT_OF_MEMORY with the size beyond maxTriplets, ERR_BUSY where another thread
 * has written to shared rows meanwhile
 */
export function mineTriplets(x: Matrix, labels: Labels, options: MineTripletsOptions = {}): IndexMatrix {
  x = checkMatrix('x', x);
  options = checkOptions(options, ['strategy', 'distance', 'normalize', 'margin', 'seed', 'subsample', 'maxTriplets']);
  const [n, d] = x.shape;
  const rule = checkMiningRule(options);
  const seed = checkSeed('options.seed', options.seed ?? 0);
  const maxTriplets = checkInteger('options.maxTriplets', options.maxTriplets ?? 2 ** 26, 0);
  const subsample = options.subsample === undefined ? undefined : checkInteger('options.subsample', options.subsample, 0);
  const checked = checkLabels('labels', labels, n);
  checkMemory({}, { x, labels: checked });
  const data = backend().mineTriplets({ x: x.data, labels: checked, n, d, ...rule, seed, subsample, maxTriplets });
  return { data, shape: [data.length / 3, 3] };
}

export interface MinePairsOptions {
  /**
   * `multiSimilarity` (default; Wang et al. 2019): negatives more alike than the least alike positive minus epsilon, positives less alike than the
   * most alike negative plus epsilon. `pairMargin`: positives beyond posMargin and negatives within negMargin. `batchHard`: per row its
   * farthest positive and its closest negative. `easyHard`: per row what `positives` and `negatives` say (pytorch-metric-learning's
   * `BatchEasyHardMiner`; Xuan et al. 2020 for easy positives).
   */
  readonly strategy?: PairStrategy;
  /** Default `cosineSimilarity`. */
  readonly distance?: PairDistance;
  /** Compare unit rows, default true; cosine similarity always does. */
  readonly normalize?: boolean;
  /** `multiSimilarity`: default 0.1. */
  readonly epsilon?: number;
  /** `pairMargin`: default 0.2, or 0.8 for similarities. */
  readonly posMargin?: number;
  /** `pairMargin`: default 0.8, or 0.2 for similarities. */
  readonly negMargin?: number;
  /**
   * `easyHard`: per row its closest (`easy`, default) or farthest (`hard`) positive, its farthest closer than the selected negative (`semiHard`),
   * or `all`. Rows without both a positive and a negative selected have no pairs, unless one of the two is `all`.
   */
  readonly positives?: EasyHardChoice;
  /**
   * `easyHard`: per row its farthest (`easy`) or closest (`hard`) negative, its closest farther than the selected positive (`semiHard`, default),
   * or `all`. `semiHard` depends on the single pair of the other side, which is therefore `easy` or `hard`.
   */
  readonly negatives?: EasyHardChoice;
  /** Of `subsample`; default 0. */
  readonly seed?: number;
  /** Where the rule selects more positive, or more negative pairs than this, a uniform sample of exactly so many of them, at least 0; default: all. */
  readonly subsample?: number;
  /** More positive or more negative pairs than this, after `subsample`, is an error before either result is allocated; default 2²⁶. */
  readonly maxPairs?: number;
}

const pairOptions = [
  'strategy',
  'distance',
  'normalize',
  'epsilon',
  'posMargin',
  'negMargin',
  'positives',
  'negatives',
  'seed',
  'subsample',
  'maxPairs',
] as const;

/** What one strategy alone asks for: beside another it would be ignored in silence. */
const strategyOf = {
  epsilon: 'multiSimilarity',
  posMargin: 'pairMargin',
  negMargin: 'pairMargin',
  positives: 'easyHard',
  negatives: 'easyHard',
} as const satisfies Partial<Record<keyof MinePairsOptions, PairStrategy>>;

function checkStrategyOfOptions(options: MinePairsOptions, strategy: PairStrategy): void {
  for (const [name, wanted] of Object.entries(strategyOf)) {
    if (options[name as keyof typeof strategyOf] === undefined || wanted === strategy) continue;
    throw failure('ERR_OPTION_RANGE', `options.${name}`, `strategy '${wanted}' beside it`, `'${strategy}'`);
  }
}

/** `easyHard`'s two choices: a semi-hard one is relative to one pair of the other side. */
function checkEasyHard(options: MinePairsOptions) {
  for (const name of ['positives', 'negatives'] as const) {
    if (options[name] !== undefined) checkChoice(`options.${name}`, options[name], easyHardChoices);
  }
  const { positives = 'easy', negatives = 'semiHard' } = options;
  const single = (choice: EasyHardChoice): boolean => choice === 'easy' || choice === 'hard';
  if (negatives === 'semiHard' && !single(positives)) {
    throw failure('ERR_OPTION_RANGE', 'options.positives', "'easy' or 'hard' beside semi-hard negatives", `'${positives}'`);
  }
  if (positives === 'semiHard' && !single(negatives)) {
    throw failure('ERR_OPTION_RANGE', 'options.negatives', "'easy' or 'hard' beside semi-hard positives", `'${negatives}'`);
  }
  return { positives, negatives };
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
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE (also for an option of another strategy), ERR_LABEL_RANGE, ERR_OUT_OF_MEMORY with the size beyond maxPairs, ERR_BUSY as `mineTriplets`
 */
export function minePairs(x: Matrix, labels: Labels, options: MinePairsOptions = {}): MinedPairs {
  x = checkMatrix('x', x);
  options = checkOptions(options, [...pairOptions]);
  const [n, d] = x.shape;
  const strategy = checkChoice('options.strategy', options.strategy ?? 'multiSimilarity', pairStrategies);
  const distance = checkChoice('options.distance', options.distance ?? 'cosineSimilarity', pairDistances);
  const choices = checkEasyHard(options);
  const similar = distance === 'cosineSimilarity';
  const normalize = checkBoolean('options.normalize', options.normalize ?? true);
  const epsilon = checkNumber('options.epsilon', options.epsilon ?? 0.1, { min: 0 });
  const posMargin = checkNumber('options.posMargin', options.posMargin ?? (similar ? 0.8 : 0.2));
  const negMargin = checkNumber('options.negMargin', options.negMargin ?? (similar ? 0.2 : 0.8));
  checkStrategyOfOptions(options, strategy);
  const seed = checkSeed('options.seed', options.seed ?? 0);
  const maxPairs = checkInteger('options.maxPairs', options.maxPairs ?? 2 ** 26, 0);
  const subsample = options.subsample === undefined ? undefined : checkInteger('options.subsample', options.subsample, 0);
  const checked = checkLabels('labels', labels, n);
  checkMemory({}, { x, labels: checked });
  const rule = { strategy, distance, normalize, epsilon, posMargin, negMargin, ...choices };
  const mined = backend().minePairs({ x: x.data, labels: checked, n, d, ...rule, seed, subsample, maxPairs });
  const shaped = (data: Int32Array): IndexMatrix => ({ data, shape: [data.length / 2, 2] });
  return { positivePairs: shaped(mined.positivePairs), negativePairs: shaped(mined.negativePairs) };
}
