import { backend } from '../backend.js';
import {
  checkBoolean,
  checkChoice,
  checkMatrix,
  checkMatrixOf,
  checkMemory,
  checkNumber,
  checkOptions,
  checkSeed,
  type Labels,
} from '../checks.js';
import { failure } from '../errors.js';
import type { Matrix } from '../matrix.js';
import {
  type PairDistance,
  pairDistances,
  type TermReduction,
  type TripletStrategy,
  termReductions,
  tripletStrategies,
} from '../ops/pairs.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type GradientOptions, gradientOutputs, type OptionalGradients, present } from './outputs.js';

export interface TripletLossOptions extends GradientOptions<'gradAnchor' | 'gradPositive' | 'gradNegative'> {
  /** `squaredEuclidean` (default, FaceNet and the survey) or `euclidean` (PyTorch's `TripletMarginLoss`, with p, eps and swap). */
  readonly distance?: 'squaredEuclidean' | 'euclidean';
  /** At least 0, default 0.2 (FaceNet). */
  readonly margin?: number;
  /** `euclidean` only: exponent of the norm, at least 1, default 2. */
  readonly p?: number;
  /** `euclidean` only: added to every coordinate of a difference, default 0 (PyTorch: 1e-6). */
  readonly eps?: number;
  /** d(a, n) becomes min(d(a, n), d(p, n)) (Balntas et al. 2016); default false. */
  readonly swap?: boolean;
  /** `mean` (default) over all rows, zeros included, or `sum`. */
  readonly reduction?: 'mean' | 'sum';
}

export interface TripletLossResult {
  readonly loss: number;
  readonly perExample: Float32Array;
  readonly gradAnchor: Matrix;
  readonly gradPositive: Matrix;
  readonly gradNegative: Matrix;
}

/**
 * [d(a, p) − d(a, n) + margin]₊ over given rows (Schroff et al. 2015, eq. 2). A distance of exactly 0 has gradient 0.
 * @param anchor [N, D]
 * @param positive [N, D], of the anchor's class
 * @param negative [N, D], of another class
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function tripletLoss(anchor: Matrix, positive: Matrix, negative: Matrix, options?: TripletLossOptions & Backward): TripletLossResult;
export function tripletLoss(
  anchor: Matrix,
  positive: Matrix,
  negative: Matrix,
  options?: TripletLossOptions,
): OptionalGradients<TripletLossResult>;
export function tripletLoss(
  anchor: Matrix,
  positive: Matrix,
  negative: Matrix,
  options: TripletLossOptions = {},
): OptionalGradients<TripletLossResult> {
  anchor = checkMatrix('anchor', anchor);
  const [n, d] = anchor.shape;
  positive = checkMatrixOf('positive', positive, n, d);
  negative = checkMatrixOf('negative', negative, n, d);
  options = checkOptions(options, ['distance', 'margin', 'p', 'eps', 'swap', 'reduction', 'gradients', 'out']);
  const { gradients, memory } = gradientOutputs(options, { gradAnchor: [n, d], gradPositive: [n, d], gradNegative: [n, d] });
  const distance = checkChoice('options.distance', options.distance ?? 'squaredEuclidean', ['squaredEuclidean', 'euclidean']);
  const margin = checkNumber('options.margin', options.margin ?? 0.2, { min: 0 });
  for (const name of ['p', 'eps'] as const) {
    if (distance === 'euclidean' || options[name] === undefined) continue;
    throw failure('ERR_OPTION_RANGE', `options.${name}`, "distance 'euclidean' beside it", `'${distance}'`);
  }
  const p = checkNumber('options.p', options.p ?? 2, { min: 1 });
  const eps = checkNumber('options.eps', options.eps ?? 0, { min: 0 });
  const swap = checkBoolean('options.swap', options.swap ?? false);
  const reduction = checkChoice('options.reduction', options.reduction ?? 'mean', ['mean', 'sum']);
  checkMemory(memory, { anchor, positive, negative });
  const perExample = new Float32Array(n);
  const loss = backend().tripletLoss({
    anchor: anchor.data,
    positive: positive.data,
    negative: negative.data,
    n,
    d,
    distance,
    margin,
    p,
    eps,
    swap,
    reduction,
    perExample,
    gradAnchor: gradients.gradAnchor?.data,
    gradPositive: gradients.gradPositive?.data,
    gradNegative: gradients.gradNegative?.data,
  });
  return { loss, perExample, ...present(gradients) };
}

export interface BatchTripletLossOptions extends BatchLossOptions {
  /** Which triplets of the batch count, default `batchHard`; see `mineTriplets` for each. */
  readonly mining?: TripletStrategy;
  /** Default `euclidean`. */
  readonly distance?: PairDistance;
  /** Compare unit rows, default true; cosine similarity always does. */
  readonly normalize?: boolean;
  /** At least 0, default 0.2; also the mining rule's. */
  readonly margin?: number;
  /** Default `meanPositive`: over the triplets that still cost something. */
  readonly reduction?: TermReduction;
  /** d(a, n) becomes min(d(a, n), d(p, n)) (Balntas et al. 2016) in the terms; rules go by d(a, n). Default false. */
  readonly swap?: boolean;
  /** softplus instead of the hinge (Hermans et al. 2017), default false. */
  readonly soft?: boolean;
  /** Seeds `faceNetSemiHard`'s choice, default 0. */
  readonly seed?: number;
}

export interface BatchTripletLossResult extends BatchLossResult {
  /** Triplets chosen. */
  readonly numTriplets: number;
  /** Those of them with a positive loss. */
  readonly numActive: number;
  /** numActive / numTriplets, 0 for none: a falling share is progress, a loss stuck at the margin is collapse. */
  readonly fractionActive: number;
}

/**
 * Triplet loss over the triplets that an online rule selects in the batch. On the native backend every rule takes O(B² log P) time with P
 * positives an anchor and O(B·D) memory beyond a block of 256 anchors' distances (512 where that is all); `faceNetSemiHard` counts for each
 * positive anew, and `soft` streams the triplets of `all` and the bands: O(B² P). So does `swap`, by every rule, and it takes three blocks. The
 * TypeScript backend holds all distances and streams the triplets.
 * A batch without triplets has loss 0.
 * @param x embeddings [B, D]
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function batchTripletLoss(x: Matrix, labels: Labels, options?: BatchTripletLossOptions & Backward): BatchTripletLossResult;
export function batchTripletLoss(x: Matrix, labels: Labels, options?: BatchTripletLossOptions): OptionalGradients<BatchTripletLossResult>;
export function batchTripletLoss(
  x: Matrix,
  labels: Labels,
  options: BatchTripletLossOptions = {},
): OptionalGradients<BatchTripletLossResult> {
  const known = ['mining', 'distance', 'normalize', 'margin', 'reduction', 'swap', 'soft', 'seed'] as const;
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, known, (o) => ({
    mining: checkChoice('options.mining', o.mining ?? 'batchHard', tripletStrategies),
    distance: checkChoice('options.distance', o.distance ?? 'euclidean', pairDistances),
    normalize: checkBoolean('options.normalize', o.normalize ?? true),
    margin: checkNumber('options.margin', o.margin ?? 0.2, { min: 0 }),
    reduction: checkChoice('options.reduction', o.reduction ?? 'meanPositive', termReductions),
    swap: checkBoolean('options.swap', o.swap ?? false),
    soft: checkBoolean('options.soft', o.soft ?? false),
    seed: checkSeed('options.seed', o.seed ?? 0),
  }));
  const result = backend().batchTripletLoss(op);
  const fractionActive = result.numTriplets > 0 ? result.numActive / result.numTriplets : 0;
  return { ...result, fractionActive, ...present({ gradEmbeddings }) };
}
