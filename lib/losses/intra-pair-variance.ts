import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface IntraPairVarianceLossOptions extends BatchLossOptions {
  /** Positives may lie this share below their mean at no cost, in [0, 1], default 0.01 (pytorch-metric-learning's). */
  readonly posEps?: number;
  /** Negatives may lie this share above theirs, ≥ 0, default 0.01. */
  readonly negEps?: number;
}

/**
 * Intra-pair variance loss (Yu and Tao, ICCV 2019, the regulariser beside their tuplet margin loss): the mean over positive ordered pairs of
 * [(1 − posEps)·mean(s⁺) − s]₊² plus the mean over negative ones of [s − (1 + negEps)·mean(s⁻)]₊², s the cosine similarity. The gradient goes
 * through the means. Equals pytorch-metric-learning's `IntraPairVarianceLoss`. A kind of pair that the batch lacks costs 0. Time O(B²·D),
 * memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function intraPairVarianceLoss(x: Matrix, labels: Labels, options?: IntraPairVarianceLossOptions & Backward): BatchLossResult;
export function intraPairVarianceLoss(
  x: Matrix,
  labels: Labels,
  options?: IntraPairVarianceLossOptions,
): OptionalGradients<BatchLossResult>;
export function intraPairVarianceLoss(
  x: Matrix,
  labels: Labels,
  options: IntraPairVarianceLossOptions = {},
): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['posEps', 'negEps'], (o) => ({
    posEps: checkNumber('options.posEps', o.posEps ?? 0.01, { min: 0, max: 1 }),
    negEps: checkNumber('options.negEps', o.negEps ?? 0.01, { min: 0 }),
  }));
  return { loss: backend().intraPairVarianceLoss(op), ...present({ gradEmbeddings }) };
}
