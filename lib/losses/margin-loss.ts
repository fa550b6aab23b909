import { backend } from '../backend.js';
import { checkArray, checkBoolean, checkNumber, type Labels } from '../checks.js';
import { failure } from '../errors.js';
import type { Matrix } from '../matrix.js';
import { type BatchLossOptions, type BatchLossResult, resolveBatch } from './labelled-batch.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';

export interface MarginLossOptions extends BatchLossOptions {
  /** Half the band around β that costs, ≥ 0, default 0.2 (the paper's). */
  readonly margin?: number;
  /** Weight of the regulariser ν·β, ≥ 0, default 0. Only beside a β of one entry. */
  readonly nu?: number;
  /** Compare unit rows, default true. */
  readonly normalize?: boolean;
}

export interface MarginLossResult extends BatchLossResult {
  /** ∂loss/∂β, as long as β. */
  readonly gradBeta: Float32Array;
}

/**
 * Margin loss (Wu et al., ICCV 2017) over all triplets of the batch: Σ([d_ap − β + margin]₊ + [β − d_an + margin]₊), d the Euclidean distance, divided by
 * the number of these terms that are positive, plus ν·β. β is trained beside the embeddings, by an optimizer of your own. Equals
 * pytorch-metric-learning's `MarginLoss` (whose β starts at 1.2, the paper's); the paper samples the negatives instead. A batch without
 * triplets has loss 0, without the regulariser too. Time O(B²·D), memory O(B·D): no triplet is visited.
 * @param x embeddings [B, D], normalised here unless `normalize` is false
 * @param labels [B], compared for equality only where β has one entry, else integers in [0, C)
 * @param beta the boundary between positives and negatives, [1], or one a class of the anchor, [C]
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function marginLoss(x: Matrix, labels: Labels, beta: Float32Array, options?: MarginLossOptions & Backward): MarginLossResult;
export function marginLoss(x: Matrix, labels: Labels, beta: Float32Array, options?: MarginLossOptions): OptionalGradients<MarginLossResult>;
export function marginLoss(
  x: Matrix,
  labels: Labels,
  beta: Float32Array,
  options: MarginLossOptions = {},
): OptionalGradients<MarginLossResult> {
  const boundary = checkArray('beta', beta, Float32Array);
  const { length } = boundary;
  if (length < 1) throw failure('ERR_SHAPE', 'beta', 'one entry, or one a class', 'length 0');
  const { op, gradEmbeddings } = resolveBatch(
    x,
    labels,
    options,
    ['margin', 'nu', 'normalize'],
    (o) => ({
      margin: checkNumber('options.margin', o.margin ?? 0.2, { min: 0 }),
      nu: checkNu(o.nu, length),
      normalize: checkBoolean('options.normalize', o.normalize ?? true),
    }),
    { inputs: { beta: boundary }, rules: length > 1 ? { classes: length } : {} },
  );
  const gradBeta = op.gradX && new Float32Array(length);
  return { loss: backend().marginLoss({ ...op, beta: boundary, gradBeta }), ...present({ gradEmbeddings, gradBeta }) };
}

// With one β a class the definition has no such term, and a weight that does nothing must not pass in silence.
function checkNu(nu: number | undefined, entries: number): number {
  const checked = checkNumber('options.nu', nu ?? 0, { min: 0 });
  if (checked > 0 && entries > 1) throw failure('ERR_OPTION_RANGE', 'options.nu', '0 beside one β a class', String(checked));
  return checked;
}
