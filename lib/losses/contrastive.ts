import { backend } from '../backend.js';
import {
  checkBoolean,
  checkChoice,
  checkFlags,
  checkMatrix,
  checkMatrixOf,
  checkMemory,
  checkNumber,
  checkOptions,
  type Labels,
} from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type PairDistance, pairDistances, type TermReduction, termReductions } from '../ops/pairs.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type GradientOptions, gradientOutputs, type OptionalGradients, present } from './outputs.js';

export interface ContrastiveLossOptions extends GradientOptions<'gradX1' | 'gradX2'> {
  /** Distance beyond which two classes cost nothing, > 0, default 1. */
  readonly margin?: number;
  /** `mean` (default) divides the halved terms by N, so by 2N in all; `sum`. */
  readonly reduction?: 'mean' | 'sum';
}

export interface ContrastiveLossResult {
  readonly loss: number;
  /** ½[y d² + (1 − y)(m − d)₊²], [N]. */
  readonly perExample: Float32Array;
  readonly gradX1: Matrix;
  readonly gradX2: Matrix;
}

/**
 * Contrastive loss on given pairs of rows, Σ[y d² + (1 − y)·max(0, m − d)²] / 2N with y = 1 for the same class (Hadsell et al. 2006,
 * eq. 4, with y reversed). Equals the value of Caffe's `ContrastiveLoss`. An identical pair has gradient 0, never NaN.
 * @param x1 first rows of the pairs, [N, D]
 * @param x2 second rows, [N, D]
 * @param same 1 where both rows are of one class, else 0, [N]
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function contrastiveLoss(x1: Matrix, x2: Matrix, same: Labels, options?: ContrastiveLossOptions & Backward): ContrastiveLossResult;
export function contrastiveLoss(
  x1: Matrix,
  x2: Matrix,
  same: Labels,
  options?: ContrastiveLossOptions,
): OptionalGradients<ContrastiveLossResult>;
export function contrastiveLoss(
  x1: Matrix,
  x2: Matrix,
  same: Labels,
  options: ContrastiveLossOptions = {},
): OptionalGradients<ContrastiveLossResult> {
  x1 = checkMatrix('x1', x1);
  const [n, d] = x1.shape;
  x2 = checkMatrixOf('x2', x2, n, d);
  options = checkOptions(options, ['margin', 'reduction', 'gradients', 'out']);
  const { gradients, memory } = gradientOutputs(options, { gradX1: [n, d], gradX2: [n, d] });
  const margin = checkNumber('options.margin', options.margin ?? 1, { min: 0, exclusive: true });
  const reduction = checkChoice('options.reduction', options.reduction ?? 'mean', ['mean', 'sum']);
  const flags = checkFlags('same', same, n);
  checkMemory(memory, { x1, x2, same: flags });
  const [gradX1, gradX2] = [gradients.gradX1?.data, gradients.gradX2?.data];
  const perExample = new Float32Array(n);
  const op = { x1: x1.data, x2: x2.data, same: flags, n, d, margin, reduction, perExample, gradX1, gradX2 };
  return { loss: backend().contrastiveLoss(op), perExample, ...present(gradients) };
}

export interface BatchContrastiveLossOptions extends BatchLossOptions {
  /** Default `euclidean`. */
  readonly distance?: PairDistance;
  /** Compare unit rows, default true; cosine similarity always does. */
  readonly normalize?: boolean;
  /** Positives nearer than this cost nothing: default 0, or 1 for similarities. */
  readonly posMargin?: number;
  /** Negatives farther than this cost nothing: default 1, or 0 for similarities. */
  readonly negMargin?: number;
  /** Of the positive and of the negative terms, each; default `meanPositive`. */
  readonly reduction?: TermReduction;
}

/**
 * Contrastive loss over all ordered pairs of a batch, and of its rows with those of `memory`: R[d − posMargin]₊ over positives plus R[negMargin − d]₊ over negatives.
 * Equals pytorch-metric-learning's `ContrastiveLoss` (not squared). A batch without pairs has loss 0.
 * @param x embeddings [B, D]
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function batchContrastiveLoss(x: Matrix, labels: Labels, options?: BatchContrastiveLossOptions & Backward): BatchLossResult;
export function batchContrastiveLoss(x: Matrix, labels: Labels, options?: BatchContrastiveLossOptions): OptionalGradients<BatchLossResult>;
export function batchContrastiveLoss(
  x: Matrix,
  labels: Labels,
  options: BatchContrastiveLossOptions = {},
): OptionalGradients<BatchLossResult> {
  const known = ['distance', 'normalize', 'posMargin', 'negMargin', 'reduction'] as const;
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, known, (o) => {
    const distance = checkChoice('options.distance', o.distance ?? 'euclidean', pairDistances);
    const similar = distance === 'cosineSimilarity';
    return {
      distance,
      normalize: checkBoolean('options.normalize', o.normalize ?? true),
      posMargin: checkNumber('options.posMargin', o.posMargin ?? (similar ? 1 : 0)),
      negMargin: checkNumber('options.negMargin', o.negMargin ?? (similar ? 0 : 1)),
      reduction: checkChoice('options.reduction', o.reduction ?? 'meanPositive', termReductions),
    };
  });
  return { loss: backend().batchContrastiveLoss(op), ...present({ gradEmbeddings }) };
}
