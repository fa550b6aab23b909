import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface CircleLossOptions extends BatchLossOptions {
  /** Relaxation m, at least 0: positives aim at 1 − m and beyond, negatives at m and below. Default 0.4 (pytorch-metric-learning's; for faces the paper has 0.25). */
  readonly m?: number;
  /** Scale γ > 0, default 80 (pytorch-metric-learning's; for faces the paper has 256). */
  readonly gamma?: number;
}

/**
 * Circle loss (Sun et al., CVPR 2020, eq. 6 on pairs): the mean over the rows that have a positive and a negative of
 * log(1 + Σ_P e^{−γ[1 + m − s_p]₊(s_p − 1 + m)} · Σ_N e^{γ[s_n + m]₊(s_n − m)}), s the cosine similarity. The two [·]₊ are weights and constants in the
 * backward pass, as in the paper. Equals pytorch-metric-learning's `CircleLoss`; TensorFlow Similarity's differentiates
 * the weights and adds two logarithms, which is another loss. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function circleLoss(x: Matrix, labels: Labels, options?: CircleLossOptions & Backward): RowLossResult;
export function circleLoss(x: Matrix, labels: Labels, options?: CircleLossOptions): OptionalGradients<RowLossResult>;
export function circleLoss(x: Matrix, labels: Labels, options: CircleLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['m', 'gamma'], (o) => ({
    m: checkNumber('options.m', o.m ?? 0.4, { min: 0 }),
    gamma: checkNumber('options.gamma', o.gamma ?? 80, { min: 0, exclusive: true }),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().circleLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}
