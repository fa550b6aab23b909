import { backend } from '../backend.js';
import { checkInteger, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface HistogramLossOptions extends BatchLossOptions {
  /** R bins over [−1, 1]: R + 1 nodes. In [1, 65536], default 100 (pytorch-metric-learning's). */
  readonly numBins?: number;
}

/**
 * Histogram loss (Ustinova and Lempitsky, NIPS 2016): Σ_r h⁻_r Σ_{q≤r} h⁺_q, an estimate of the probability that a negative pair is more similar
 * than a positive one, h⁺ and h⁻ triangular histograms of the cosine similarities, each over its number of pairs. Pairs are unordered and
 * count where they are part of a triplet: a negative pair of two rows without positives does not. Equals pytorch-metric-learning's
 * `HistogramLoss`. A batch of one class, or of all different ones, has loss 0. At a node the histogram has two slopes; the gradient
 * takes that of the more similar side. Time O(B²·D), memory O(B·D + R).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function histogramLoss(x: Matrix, labels: Labels, options?: HistogramLossOptions & Backward): BatchLossResult;
export function histogramLoss(x: Matrix, labels: Labels, options?: HistogramLossOptions): OptionalGradients<BatchLossResult>;
export function histogramLoss(x: Matrix, labels: Labels, options: HistogramLossOptions = {}): OptionalGradients<BatchLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['numBins'], (o) => ({
    numBins: checkInteger('options.numBins', o.numBins ?? 100, 1, 65536),
  }));
  return { loss: backend().histogramLoss(op), ...present({ gradEmbeddings }) };
}
