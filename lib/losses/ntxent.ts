import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface NtXentLossOptions extends BatchLossOptions {
  /** τ > 0, default 0.07 (pytorch-metric-learning's; SimCLR takes 0.1 to 0.5). */
  readonly temperature?: number;
}

/**
 * Normalised temperature-scaled cross-entropy (Sohn 2016; Chen et al., ICML 2020, eq. 1): the mean over positive ordered pairs (i, p) of
 * −log(e^{s_ip/τ} / (e^{s_ip/τ} + Σ_{N(i)} e^{s_in/τ})), s the cosine similarity. Equals pytorch-metric-learning's `NTXentLoss`: where a row has several
 * positives the others are not in the denominator, which `supConLoss` has them in. With two views of each picture, labels 0 1 2 … 0 1 2 …, it is SimCLR's
 * loss. A batch without positives or without negatives has loss 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function ntXentLoss(x: Matrix, labels: Labels, options?: NtXentLossOptions & Backward): BatchLossResult;
export function ntXentLoss(x: Matrix, labels: Labels, options?: NtXentLossOptions): OptionalGradients<BatchLossResult>;
export function ntXentLoss(x: Matrix, labels: Labels, options: NtXentLossOptions = {}): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['temperature'], (o) => ({
    temperature: checkNumber('options.temperature', o.temperature ?? 0.07, { min: 0, exclusive: true }),
  }));
  return { loss: backend().ntXentLoss(op), ...present({ gradEmbeddings }) };
}
