import { backend } from '../backend.js';
import { checkBoolean, checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type RowLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface NcaLossOptions extends BatchLossOptions {
  /** Factor of the squared distances, > 0, default 1 (pytorch-metric-learning's). */
  readonly scale?: number;
  /** Compare unit rows, default true. */
  readonly normalize?: boolean;
}

/**
 * Neighbourhood components analysis (Goldberger et al., NIPS 2004, the objective Σ log p_i): the mean over the rows that have a positive of
 * −log(Σ_P e^{−scale·d²} / Σ_{k≠i} e^{−scale·d²}), d the Euclidean distance. Equals pytorch-metric-learning's `NCALoss`, which leaves out rows whose
 * probability underflows to 0; here they count. A batch without positives has loss 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here unless `normalize` is false
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function ncaLoss(x: Matrix, labels: Labels, options?: NcaLossOptions & Backward): RowLossResult;
export function ncaLoss(x: Matrix, labels: Labels, options?: NcaLossOptions): OptionalGradients<RowLossResult>;
export function ncaLoss(x: Matrix, labels: Labels, options: NcaLossOptions = {}): OptionalGradients<RowLossResult> {
  const { op, gradEmbeddings } = resolveBatch(x, labels, options, ['scale', 'normalize'], (o) => ({
    scale: checkNumber('options.scale', o.scale ?? 1, { min: 0, exclusive: true }),
    normalize: checkBoolean('options.normalize', o.normalize ?? true),
  }));
  const perExample = new Float32Array(op.n);
  return { loss: backend().ncaLoss({ ...op, perExample }), perExample, ...present({ gradEmbeddings }) };
}
