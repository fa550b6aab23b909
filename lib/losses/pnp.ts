import { backend } from '../backend.js';
import { checkChoice, checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type PnpVariant, pnpVariants } from '../ops/batch-losses.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface PnpLossOptions extends BatchLossOptions {
  /**
   * f of the number R of negatives before a positive: `O` (default) R; `Ds` log(1 + R); `Dq` 1 − (1 + R)^(−alpha); `Iu` (1 + R)·log(1 + R); `Ib`
   * (bR − log(1 + bR))/b².
   */
  readonly variant?: PnpVariant;
  /** Temperature of the sigmoids that count, > 0, default 0.01 (the authors'). */
  readonly anneal?: number;
  /** Of `Ib`, > 0, default 2 (pytorch-metric-learning's). */
  readonly b?: number;
  /** Of `Dq`, > 0, default 1 (pytorch-metric-learning's). */
  readonly alpha?: number;
}

/**
 * PNP loss (Li et al., AAAI 2022, "only penalizing negatives before positives"): the mean over the rows i that have a positive of the mean over j
 * in P(i) ∪ {i} of f(R_ij), where R_ij = Σ_N σ((s_in − s_ij)/anneal) softly counts the negatives that are more similar to i than j is; the argument of σ is cut
 * at ±50. Equals pytorch-metric-learning's `PNPLoss`, of whose versions the older give NaN for a row without a positive.
 * A batch of one class, or of all different ones, has loss 0. Time O(B²·(D + P)) with P the positives of a row, memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function pnpLoss(x: Matrix, labels: Labels, options?: PnpLossOptions & Backward): RowLossResult;
export function pnpLoss(x: Matrix, labels: Labels, options?: PnpLossOptions): OptionalGradients<RowLossResult>;
export function pnpLoss(x: Matrix, labels: Labels, options: PnpLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['variant', 'anneal', 'b', 'alpha'], (o) => ({
    variant: checkChoice('options.variant', o.variant ?? 'O', pnpVariants),
    anneal: checkNumber('options.anneal', o.anneal ?? 0.01, { min: 0, exclusive: true }),
    b: checkNumber('options.b', o.b ?? 2, { min: 0, exclusive: true }),
    alpha: checkNumber('options.alpha', o.alpha ?? 1, { min: 0, exclusive: true }),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().pnpLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}
