import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface TupletMarginLossOptions extends BatchLossOptions {
  /** Taken from the angle of the positive, in radians, in [0, π]; default 5.73°, a tenth of a radian (pytorch-metric-learning's). */
  readonly margin?: number;
  /** Scale of the cosines, > 0, default 64 (pytorch-metric-learning's). */
  readonly s?: number;
}

/**
 * Tuplet margin loss (Yu and Tao, ICCV 2019): the mean over positive ordered pairs of log(1 + Σ_N e^{s(cos θ_an − cos(θ_ap − margin))}), N the negatives of
 * the anchor. Equals pytorch-metric-learning's `TupletMarginLoss`, whose margin is in degrees. The slack leaves out angles closer than the margin: there
 * the loss grows again as θ_ap falls. Where a positive is parallel to its anchor the slope is the finite cos(margin), as in the angular margins.
 * A batch of one class, or of all different ones, has loss 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function tupletMarginLoss(x: Matrix, labels: Labels, options?: TupletMarginLossOptions & Backward): BatchLossResult;
export function tupletMarginLoss(x: Matrix, labels: Labels, options?: TupletMarginLossOptions): OptionalGradients<BatchLossResult>;
export function tupletMarginLoss(x: Matrix, labels: Labels, options: TupletMarginLossOptions = {}): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['margin', 's'], (o) => ({
    margin: checkNumber('options.margin', o.margin ?? (5.73 * Math.PI) / 180, { min: 0, max: Math.PI }),
    s: checkNumber('options.s', o.s ?? 64, { min: 0, exclusive: true }),
  }));
  return { loss: backend().tupletMarginLoss(op), ...present({ gradEmbeddings }) };
}
