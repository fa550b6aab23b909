import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface RankedListLossOptions extends BatchLossOptions {
  /** Between the boundary of the positives, alpha − margin, and that of the negatives, alpha; ≥ 0, default 0.4 (the paper's). */
  readonly margin?: number;
  /** Negatives nearer than this cost, ≥ 0; default 1 + margin/2 (pytorch-metric-learning's; with the default margin the paper's 1.2). */
  readonly alpha?: number;
  /** Weight of the negatives' side against the positives', in [0, 1], default 0.5 (the paper's). */
  readonly imbalance?: number;
  /** Temperature of the positives' weights, ≥ 0, default 0: all alike (the paper's simpler form). */
  readonly tPos?: number;
  /** Temperature of the negatives' weights, ≥ 0, default 10 (the paper's). */
  readonly tNeg?: number;
}

/**
 * Ranked list loss (Wang et al., CVPR 2019): the mean over all rows of (1 − imbalance)·L⁺ + imbalance·L⁻. With d the Euclidean distance of unit rows, L⁺ is the
 * weighted mean of g = d − (alpha − margin) over the positives where g > 0, L⁻ that of g = alpha − d over the negatives, with weights e^{T·g}; both
 * divisors have 1e-5·B added. The gradient goes through the weights. Equals pytorch-metric-learning's `RankedListLoss`, which passes over negatives at
 * distance 0; here they cost alpha. A row without violations costs 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function rankedListLoss(x: Matrix, labels: Labels, options?: RankedListLossOptions & Backward): RowLossResult;
export function rankedListLoss(x: Matrix, labels: Labels, options?: RankedListLossOptions): OptionalGradients<RowLossResult>;
export function rankedListLoss(x: Matrix, labels: Labels, options: RankedListLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['margin', 'alpha', 'imbalance', 'tPos', 'tNeg'], (o) => ({
    ...boundaries(o),
    imbalance: checkNumber('options.imbalance', o.imbalance ?? 0.5, { min: 0, max: 1 }),
    tPos: checkNumber('options.tPos', o.tPos ?? 0, { min: 0 }),
    tNeg: checkNumber('options.tNeg', o.tNeg ?? 10, { min: 0 }),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().rankedListLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}

function boundaries(options: RankedListLossOptions): { margin: number; alpha: number } {
  const margin = checkNumber('options.margin', options.margin ?? 0.4, { min: 0 });
  return { margin, alpha: checkNumber('options.alpha', options.alpha ?? 1 + margin / 2, { min: 0 }) };
}
