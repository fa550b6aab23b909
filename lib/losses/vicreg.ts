import { backend } from '../backend.js';
import { checkMatrix, checkMatrixOf, checkMemory, checkNumber, checkOptions } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type Backward, type GradientOptions, gradientOutputs, type OptionalGradients, present } from './outputs.js';

export interface VicRegLossOptions extends GradientOptions<'gradX' | 'gradY'> {
  /** Weight of the distance between the views, ≥ 0, default 25 (the paper's). */
  readonly lambda?: number;
  /** Weight of the variance terms, ≥ 0, default 25 (the paper's). */
  readonly mu?: number;
  /** Weight of the covariance terms, ≥ 0, default 1 (the paper's). */
  readonly nu?: number;
  /** Added to each variance before its root, ≥ 0, default 1e-4 (the paper's). */
  readonly eps?: number;
}

export interface VicRegLossResult {
  readonly loss: number;
  /** ∂loss/∂x, [N, D]. */
  readonly gradX: Matrix;
  /** ∂loss/∂y, [N, D]. */
  readonly gradY: Matrix;
}

/**
 * VICReg (Bardes et al., ICLR 2022, eq. 6) on two views of one batch: lambda·mean((x − y)²) + mu·Σ_v ½·mean_d [1 − √(Var_d + eps)]₊ + nu·Σ_v (1/D) Σ_{d≠e}
 * Cov_de², v over x and y, variances and covariances with divisor N − 1. Equals the authors' code, which halves the paper's variance term and
 * means the distance over the coordinates too, and pytorch-metric-learning's `VICRegLoss`. Of fewer than two rows only the distance remains.
 * Time O(N·D²), memory O(N·D).
 * @param x first view, [N, D], as it is: rows are not normalised
 * @param y second view, [N, D]
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function vicRegLoss(x: Matrix, y: Matrix, options?: VicRegLossOptions & Backward): VicRegLossResult;
export function vicRegLoss(x: Matrix, y: Matrix, options?: VicRegLossOptions): OptionalGradients<VicRegLossResult>;
export function vicRegLoss(x: Matrix, y: Matrix, options: VicRegLossOptions = {}): OptionalGradients<VicRegLossResult> {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  y = checkMatrixOf('y', y, n, d);
  options = checkOptions(options, ['lambda', 'mu', 'nu', 'eps', 'gradients', 'out']);
  const { gradients, memory } = gradientOutputs(options, { gradX: [n, d], gradY: [n, d] });
  const lambda = checkNumber('options.lambda', options.lambda ?? 25, { min: 0 });
  const mu = checkNumber('options.mu', options.mu ?? 25, { min: 0 });
  const nu = checkNumber('options.nu', options.nu ?? 1, { min: 0 });
  const eps = checkNumber('options.eps', options.eps ?? 1e-4, { min: 0 });
  checkMemory(memory, { x, y });
  const [gradX, gradY] = [gradients.gradX?.data, gradients.gradY?.data];
  const op = { x: x.data, y: y.data, n, d, lambda, mu, nu, eps, gradX, gradY };
  return { loss: backend().vicRegLoss(op), ...present(gradients) };
}
