import { backend } from '../backend.js';
import { checkBoolean, checkMatrix, checkMatrixOf, checkMemory, checkNumber, checkOptions } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type Backward, type GradientOptions, gradientOutputs, type OptionalGradients, present } from './outputs.js';

export interface InfoNceLossOptions extends GradientOptions<'gradX' | 'gradY'> {
  /** τ > 0, default 0.07 (MoCo; CLIP starts there). */
  readonly temperature?: number;
  /** The mean of rows against columns and columns against rows (CLIP), default false. */
  readonly symmetric?: boolean;
  /** Compare unit rows, default true. */
  readonly normalize?: boolean;
}

export interface InfoNceLossResult {
  readonly loss: number;
  /** Cross-entropy of each row, [N]; with `symmetric` the mean of that of row i and of column i. */
  readonly perExample: Float32Array;
  /** ∂loss/∂x, [N, D], through the normalisation where there is one. */
  readonly gradX: Matrix;
  readonly gradY: Matrix;
}

/**
 * InfoNCE (van den Oord et al. 2018, eq. 4) between two matrices whose rows belong together: the mean over the rows of
 * −log(e^{z_ii} / Σ_j e^{z_ij}) with z_ij = x̂_i·ŷ_j / τ. With `symmetric` it is CLIP's loss (Radford et al. 2021). Equals PyTorch's `cross_entropy` on z with
 * the labels 0 … N − 1. One row, or none, has loss 0. Time O(N²·D), memory O(N·D).
 * @param x [N, D]
 * @param y [N, D]; row i belongs to row i of x, the others are its negatives
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function infoNceLoss(x: Matrix, y: Matrix, options?: InfoNceLossOptions & Backward): InfoNceLossResult;
export function infoNceLoss(x: Matrix, y: Matrix, options?: InfoNceLossOptions): OptionalGradients<InfoNceLossResult>;
export function infoNceLoss(x: Matrix, y: Matrix, options: InfoNceLossOptions = {}): OptionalGradients<InfoNceLossResult> {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  y = checkMatrixOf('y', y, n, d);
  options = checkOptions(options, ['temperature', 'symmetric', 'normalize', 'gradients', 'out']);
  const { gradients, memory } = gradientOutputs(options, { gradX: [n, d], gradY: [n, d] });
  const temperature = checkNumber('options.temperature', options.temperature ?? 0.07, { min: 0, exclusive: true });
  const symmetric = checkBoolean('options.symmetric', options.symmetric ?? false);
  const normalize = checkBoolean('options.normalize', options.normalize ?? true);
  checkMemory(memory, { x, y });
  const [gradX, gradY] = [gradients.gradX?.data, gradients.gradY?.data];
  const perExample = new Float32Array(n);
  const op = { x: x.data, y: y.data, n, d, temperature, symmetric, normalize, perExample, gradX, gradY };
  return { loss: backend().infoNceLoss(op), perExample, ...present(gradients) };
}
