import { backend } from '../backend.js';
import { checkBoolean, checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface LiftedStructureLossOptions extends BatchLossOptions {
  /** The smooth hinge over a row's positives too (Hermans et al. 2017) in place of one term a pair; default false. */
  readonly generalized?: boolean;
  /** Margin of the negatives, any finite number, default 1. */
  readonly negMargin?: number;
  /** Taken off the distances of positives, any finite number, default 0. */
  readonly posMargin?: number;
  /** Distances between unit rows, default true; the paper has them between rows as they are. */
  readonly normalize?: boolean;
}

/**
 * Lifted structure loss (Oh Song et al., CVPR 2016, eq. 4) with d the Euclidean distance: the mean over positive ordered pairs (i, j) of
 * ½[log(Σ_{N(i)} e^{negMargin − d_ik} + Σ_{N(j)} e^{negMargin − d_jk}) + d_ij − posMargin]₊²; equals pytorch-metric-learning's `LiftedStructureLoss`.
 * With `generalized` the mean over all rows of [log Σ_P e^{d − posMargin} + log Σ_N e^{negMargin − d}]₊ (Hermans et al. 2017), the logarithm of an empty
 * sum taken as 0; equals its `GeneralizedLiftedStructureLoss`. A batch of one class has no loss in the first form, and keeps its positives' term in the
 * second. A distance of exactly 0 has gradient 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D]
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function liftedStructureLoss(x: Matrix, labels: Labels, options?: LiftedStructureLossOptions & Backward): BatchLossResult;
export function liftedStructureLoss(x: Matrix, labels: Labels, options?: LiftedStructureLossOptions): OptionalGradients<BatchLossResult>;
export function liftedStructureLoss(
  x: Matrix,
  labels: Labels,
  options: LiftedStructureLossOptions = {},
): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['generalized', 'negMargin', 'posMargin', 'normalize'], (o) => ({
    generalized: checkBoolean('options.generalized', o.generalized ?? false),
    negMargin: checkNumber('options.negMargin', o.negMargin ?? 1),
    posMargin: checkNumber('options.posMargin', o.posMargin ?? 0),
    normalize: checkBoolean('options.normalize', o.normalize ?? true),
  }));
  return { loss: backend().liftedStructureLoss(op), ...present({ gradEmbeddings }) };
}
