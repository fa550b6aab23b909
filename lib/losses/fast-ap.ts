import { backend } from '../backend.js';
import { checkInteger, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface FastApLossOptions extends BatchLossOptions {
  /** L bins over [0, 4], the range of d² between unit rows: L + 1 nodes. In [1, 65536], default 10 (the authors'). */
  readonly numBins?: number;
}

/**
 * FastAP (Cakir et al., CVPR 2019): the mean over the rows that have a positive of 1 − (1/|P|) Σ_l h⁺_l H⁺_l / H_l, the average precision of
 * the row's ranking from triangular histograms of its squared distances: h⁺ of the positives, h of all, H their cumulative sums. Equals
 * pytorch-metric-learning's `FastAPLoss`. A batch of one class, or of all different ones, has loss 0. At a node the histogram has two
 * slopes; the gradient takes that of the farther side. Time O(B²·D + B·L), memory O(B·D + L).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function fastApLoss(x: Matrix, labels: Labels, options?: FastApLossOptions & Backward): RowLossResult;
export function fastApLoss(x: Matrix, labels: Labels, options?: FastApLossOptions): OptionalGradients<RowLossResult>;
export function fastApLoss(x: Matrix, labels: Labels, options: FastApLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['numBins'], (o) => ({
    numBins: checkInteger('options.numBins', o.numBins ?? 10, 1, 65536),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().fastApLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}
