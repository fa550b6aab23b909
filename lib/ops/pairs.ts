import type { LabelledBatchOp } from './batch-losses.js';
import type { Values } from './types.js';

export const pairDistances = ['euclidean', 'squaredEuclidean', 'cosineSimilarity', 'snr'] as const;
/**
 * Distances the pair losses and miners know: `euclidean`, `squaredEuclidean`, `cosineSimilarity`, `snr`. Cosine similarity
 * always compares unit rows.
 */
export type PairDistance = (typeof pairDistances)[number];

export const tripletStrategies = [
  'all',
  'violating',
  'semiHard',
  'hard',
  'easy',
  'batchHard',
  'semiHardClosest',
  'hardestViolating',
  'faceNetSemiHard',
] as const;
/**
 * Which triplets of a batch count: `all`, `violating`, `semiHard`, `hard`, `easy`, `batchHard`, `semiHardClosest`, `hardestViolating`,
 * `faceNetSemiHard`. `MineTripletsOptions` says what each selects.
 */
export type TripletStrategy = (typeof tripletStrategies)[number];

export const miningStrategies = [...tripletStrategies, 'distanceWeighted'] as const;
/** What `mineTriplets` selects by: the rules of the batch triplet loss, and `distanceWeighted`. */
export type MiningStrategy = (typeof miningStrategies)[number];

export const pairStrategies = ['multiSimilarity', 'pairMargin', 'batchHard', 'easyHard'] as const;
/** Which pairs of a batch count: `multiSimilarity`, `pairMargin`, `batchHard`, `easyHard`. `MinePairsOptions` says what each selects. */
export type PairStrategy = (typeof pairStrategies)[number];

export const easyHardChoices = ['easy', 'semiHard', 'hard', 'all'] as const;
/** What `easyHard` takes of an anchor's positives or negatives. */
export type EasyHardChoice = (typeof easyHardChoices)[number];

export const termReductions = ['mean', 'sum', 'meanPositive'] as const;
/** Reductions of pair and triplet terms; meanPositive is the mean over strictly positive terms. */
export type TermReduction = (typeof termReductions)[number];

/** Rows x1_i, x2_i; same_i = 1 for one class. Gradients are absent when not wanted. */
export interface ContrastiveOp {
  readonly x1: Values;
  readonly x2: Values;
  readonly same: Int32Array;
  readonly n: number;
  readonly d: number;
  readonly margin: number;
  readonly reduction: 'mean' | 'sum';
  readonly perExample: Values;
  readonly gradX1?: Values | undefined;
  readonly gradX2?: Values | undefined;
}

export interface BatchContrastiveOp extends LabelledBatchOp {
  readonly distance: PairDistance;
  readonly normalize: boolean;
  readonly posMargin: number;
  readonly negMargin: number;
  readonly reduction: TermReduction;
}

export interface TripletOp {
  readonly anchor: Values;
  readonly positive: Values;
  readonly negative: Values;
  readonly n: number;
  readonly d: number;
  readonly distance: 'squaredEuclidean' | 'euclidean';
  readonly margin: number;
  /** Exponent of the norm, and what is added to every coordinate: euclidean only. */
  readonly p: number;
  readonly eps: number;
  readonly swap: boolean;
  readonly reduction: 'mean' | 'sum';
  readonly perExample: Values;
  readonly gradAnchor?: Values | undefined;
  readonly gradPositive?: Values | undefined;
  readonly gradNegative?: Values | undefined;
}

export interface MineTripletsOp {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly d: number;
  readonly distance: PairDistance;
  readonly normalize: boolean;
  readonly strategy: MiningStrategy;
  readonly margin: number;
  /** Seeds random choices: each pair (anchor, positive) has the stream of the words seed, anchor, positive, the subsample that of seed. */
  readonly seed: number;
  /** Where more are selected, a uniform sample of this many. */
  readonly subsample?: number | undefined;
  /** More than this many is an error, thrown before the result is allocated. */
  readonly maxTriplets: number;
}

export interface MinePairsOp {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly d: number;
  readonly distance: PairDistance;
  readonly normalize: boolean;
  readonly strategy: PairStrategy;
  readonly epsilon: number;
  readonly posMargin: number;
  readonly negMargin: number;
  /** easyHard's. */
  readonly positives: EasyHardChoice;
  readonly negatives: EasyHardChoice;
  /** Seeds the samples: that of negatives has the stream of the words seed, 0, that of positives of seed, 1. */
  readonly seed: number;
  /** Of either kind, as those of `MineTripletsOp`. */
  readonly subsample?: number | undefined;
  readonly maxPairs: number;
}

export interface BatchTripletOp extends LabelledBatchOp {
  readonly mining: TripletStrategy;
  readonly distance: PairDistance;
  readonly normalize: boolean;
  readonly margin: number;
  readonly reduction: TermReduction;
  readonly swap: boolean;
  readonly soft: boolean;
  /** As that of `MineTripletsOp`. */
  readonly seed: number;
}

export interface BatchTripletResult {
  readonly loss: number;
  /** Triplets chosen, and those of them with a positive loss. */
  readonly numTriplets: number;
  readonly numActive: number;
}

export interface PairOps {
  contrastiveLoss(op: ContrastiveOp): number;
  batchContrastiveLoss(op: BatchContrastiveOp): number;
  tripletLoss(op: TripletOp): number;
  batchTripletLoss(op: BatchTripletOp): BatchTripletResult;
  /** Flat (anchor, positive, negative) tuples, sorted. */
  mineTriplets(op: MineTripletsOp): Int32Array;
  /** Flat (i, j) tuples, sorted. */
  minePairs(op: MinePairsOp): { readonly positivePairs: Int32Array; readonly negativePairs: Int32Array };
}
