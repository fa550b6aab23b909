import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface AngularLossOptions extends BatchLossOptions {
  /** Upper bound of the angle at the negative, in radians, in (0, π/2); default 40° (pytorch-metric-learning's; the paper tries 36° to 55°). */
  readonly alpha?: number;
}

/**
 * Angular loss (Wang et al., ICCV 2017, the smooth form over a batch): with t = tan²α, the mean over positive ordered pairs of
 * log(1 + Σ_N e^{4t (x̂_a + x̂_p)·x̂_n − 2(1 + t) x̂_a·x̂_p}), N the negatives of the pair. Equals pytorch-metric-learning's `AngularLoss` of unit rows: it
 * leaves negatives their length, and its α is in degrees. A batch of one class, or of all different ones, has loss 0. Time O(P·B·D) for P positive pairs, on the native
 * backend O(B²·D + P·B) for classes of some hundred rows; memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function angularLoss(x: Matrix, labels: Labels, options?: AngularLossOptions & Backward): BatchLossResult;
export function angularLoss(x: Matrix, labels: Labels, options?: AngularLossOptions): OptionalGradients<BatchLossResult>;
export function angularLoss(x: Matrix, labels: Labels, options: AngularLossOptions = {}): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['alpha'], (o) => ({
    alpha: checkNumber('options.alpha', o.alpha ?? (40 * Math.PI) / 180, { min: 0, max: Math.PI / 2, exclusive: true }),
  }));
  return { loss: backend().angularLoss(op), ...present({ gradEmbeddings }) };
}
