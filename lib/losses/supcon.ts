import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface SupConLossOptions extends BatchLossOptions {
  /** τ > 0, default 0.1 (pytorch-metric-learning's; the paper's own code takes 0.07). */
  readonly temperature?: number;
}

/**
 * Supervised contrastive loss (Khosla et al., NeurIPS 2020, eq. 2, L_out): the mean over the rows that have a positive and a negative of
 * −(1/|P|) Σ_P log(e^{s_ip/τ} / Σ_{k≠i} e^{s_ik/τ}), s the cosine similarity. Equals pytorch-metric-learning's `SupConLoss`; a batch
 * of one class, or of all different ones, has loss 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function supConLoss(x: Matrix, labels: Labels, options?: SupConLossOptions & Backward): RowLossResult;
export function supConLoss(x: Matrix, labels: Labels, options?: SupConLossOptions): OptionalGradients<RowLossResult>;
export function supConLoss(x: Matrix, labels: Labels, options: SupConLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['temperature'], (o) => ({
    temperature: checkNumber('options.temperature', o.temperature ?? 0.1, { min: 0, exclusive: true }),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().supConLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}
