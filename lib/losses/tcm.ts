import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface TcmLossOptions extends BatchLossOptions {
  /** Weight of the positives' term, ≥ 0, default 1 (pytorch-metric-learning's, as all here). */
  readonly lambdaPlus?: number;
  /** Weight of the negatives' term, ≥ 0, default 1. */
  readonly lambdaMinus?: number;
  /** Positives of at most this similarity cost, in [−1, 1], default 0.9. */
  readonly marginPlus?: number;
  /** Negatives of at least this similarity cost, in [−1, 1], default 0.5. */
  readonly marginMinus?: number;
}

/**
 * Threshold-consistent margin loss (Zhang et al., ICLR 2024), a regulariser to add to another loss: lambdaPlus times the mean of marginPlus − s over
 * the positive pairs with s ≤ marginPlus, plus lambdaMinus times the mean of s − marginMinus over the negative pairs with s ≥ marginMinus, s the cosine
 * similarity. Equals what pytorch-metric-learning's `ThresholdConsistentMarginLoss` adds to its base loss. A side without such pairs costs
 * 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function tcmLoss(x: Matrix, labels: Labels, options?: TcmLossOptions & Backward): BatchLossResult;
export function tcmLoss(x: Matrix, labels: Labels, options?: TcmLossOptions): OptionalGradients<BatchLossResult>;
export function tcmLoss(x: Matrix, labels: Labels, options: TcmLossOptions = {}): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['lambdaPlus', 'lambdaMinus', 'marginPlus', 'marginMinus'], (o) => ({
    lambdaPlus: checkNumber('options.lambdaPlus', o.lambdaPlus ?? 1, { min: 0 }),
    lambdaMinus: checkNumber('options.lambdaMinus', o.lambdaMinus ?? 1, { min: 0 }),
    marginPlus: checkNumber('options.marginPlus', o.marginPlus ?? 0.9, { min: -1, max: 1 }),
    marginMinus: checkNumber('options.marginMinus', o.marginMinus ?? 0.5, { min: -1, max: 1 }),
  }));
  return { loss: backend().tcmLoss(op), ...present({ gradEmbeddings }) };
}
