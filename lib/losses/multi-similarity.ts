import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface MultiSimilarityLossOptions extends BatchLossOptions {
  /** Sharpness of the positives, > 0, default 2 (the paper's). */
  readonly alpha?: number;
  /** Sharpness of the negatives, > 0, default 50 (the paper's). */
  readonly beta?: number;
  /** The similarity λ about which pairs are weighed, default 0.5; the paper's λ is 1. */
  readonly base?: number;
  /**
   * At least 0: only the pairs that `minePairs` keeps under `multiSimilarity` with this epsilon count (the paper takes 0.1). Default null: every pair does, as in
   * pytorch-metric-learning's loss without its miner.
   */
  readonly epsilon?: number | null;
}

/**
 * Multi-similarity loss (Wang et al., CVPR 2019, eq. 15): the mean over all rows of log(1 + Σ_P e^{−α(s − λ)})/α + log(1 + Σ_N e^{β(s − λ)})/β, s the
 * cosine similarity and λ the option `base`. Equals pytorch-metric-learning's `MultiSimilarityLoss`, and with `epsilon` the same behind its
 * `MultiSimilarityMiner`. Rows without pairs count, with 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function multiSimilarityLoss(x: Matrix, labels: Labels, options?: MultiSimilarityLossOptions & Backward): RowLossResult;
export function multiSimilarityLoss(x: Matrix, labels: Labels, options?: MultiSimilarityLossOptions): OptionalGradients<RowLossResult>;
export function multiSimilarityLoss(x: Matrix, labels: Labels, options: MultiSimilarityLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['alpha', 'beta', 'base', 'epsilon'], (o) => ({
    alpha: checkNumber('options.alpha', o.alpha ?? 2, { min: 0, exclusive: true }),
    beta: checkNumber('options.beta', o.beta ?? 50, { min: 0, exclusive: true }),
    base: checkNumber('options.base', o.base ?? 0.5),
    epsilon: o.epsilon === undefined || o.epsilon === null ? undefined : checkNumber('options.epsilon', o.epsilon, { min: 0 }),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().multiSimilarityLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}
