import { backend } from '../backend.js';
import { checkBoolean, checkLabels, checkMatrix, checkMemory, checkNumber, checkOptions, checkOut, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type Backward, gradientOutput, type OptionalGradients, present } from './outputs.js';

export interface SupConLossOptions {
  /** τ > 0, default 0.1 (pytorch-metric-learning's; the paper's own code takes 0.07). */
  readonly temperature?: number;
  readonly gradients?: boolean;
  readonly out?: { readonly gradEmbeddings?: Matrix };
}

export interface SupConLossResult {
  readonly loss: number;
  /** The term of every row, [B]; 0 for a row without a positive or without a negative, which does not count. */
  readonly perExample: Float32Array;
  /** ∂loss/∂x, [B, D], through the normalisation. */
  readonly gradEmbeddings: Matrix;
}

/**
 * Supervised contrastive loss (Khosla et al., NeurIPS 2020, eq. 2, L_out): the mean over the rows that have a positive and a negative of
 * −(1/|P|) Σ_P log(e^{s_ip/τ} / Σ_{k≠i} e^{s_ik/τ}), s the cosine similarity. Equals pytorch-metric-learning's `SupConLoss`; a batch
 * of one class, or of all different ones, has loss 0. Time O(B²·D), memory O(B·D).
 * @param x embeddings [B, D], normalised here
 * @param labels [B], compared for equality only
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function supConLoss(x: Matrix, labels: Labels, options?: SupConLossOptions & Backward): SupConLossResult;
export function supConLoss(x: Matrix, labels: Labels, options?: SupConLossOptions): OptionalGradients<SupConLossResult>;
export function supConLoss(x: Matrix, labels: Labels, options: SupConLossOptions = {}): OptionalGradients<SupConLossResult> {
  x = checkMatrix('x', x);
  options = checkOptions(options, ['temperature', 'gradients', 'out']);
  const out = checkOut(options.out, ['gradEmbeddings']);
  const [n, d] = x.shape;
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const gradEmbeddings = gradientOutput('gradEmbeddings', out.gradEmbeddings, wanted, n, d);
  const temperature = checkNumber('options.temperature', options.temperature ?? 0.1, { min: 0, exclusive: true });
  const checked = checkLabels('labels', labels, n);
  checkMemory({ 'options.out.gradEmbeddings': gradEmbeddings }, { x, labels: checked });
  const perExample = new Float32Array(n);
  const op = { x: x.data, labels: checked, n, d, temperature, perExample, gradX: gradEmbeddings?.data };
  return { loss: backend().supConLoss(op), perExample, ...present({ gradEmbeddings }) };
}
