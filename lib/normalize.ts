import { backend } from './backend.js';
import { checkMatrix, checkMatrixOf, checkMemory, checkNumber, checkOptions } from './checks.js';
import { outputOf } from './fresh.js';
import type { Matrix } from './matrix.js';
import { shortest } from './ops/types.js';

export interface NormalizeOptions {
  /** Shortest length divided by, > 0, default 1e-12 (as PyTorch's `F.normalize`). */
  readonly eps?: number;
  /** [N, D], memory apart from the inputs. */
  readonly out?: Matrix;
}

export const normalizeOptions = ['eps', 'out'] as const;

function resolve(x: Matrix, options: NormalizeOptions) {
  x = checkMatrix('x', x);
  options = checkOptions(options, normalizeOptions);
  const [n, d] = x.shape;
  const out = outputOf(options.out, n, d);
  const eps = checkNumber('options.eps', options.eps ?? shortest, { min: 0, exclusive: true });
  return { op: { x: x.data, n, d, eps }, x, out, given: options.out };
}

/** Checks the arguments and lays out the op. */
export function resolveNormalize(x: Matrix, options: NormalizeOptions) {
  const { op, out, given, ...checked } = resolve(x, options);
  checkMemory({ 'options.out': out }, checked);
  return { op: { ...op, out: out.data }, out, given };
}

/** The same for the gradient. */
export function resolveNormalizeGradient(x: Matrix, gradOutput: Matrix, options: NormalizeOptions) {
  const { op, out, given, ...checked } = resolve(x, options);
  gradOutput = checkMatrixOf('gradOutput', gradOutput, op.n, op.d);
  checkMemory({ 'options.out': out }, { ...checked, gradOutput });
  return { op: { ...op, gradOutput: gradOutput.data, gradX: out.data }, out, given };
}

/**
 * Every row over its Euclidean length: x_i / max(‖x_i‖, eps), [N, D]. A zero row stays zero.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function normalize(x: Matrix, options: NormalizeOptions = {}): Matrix {
  const { op, out, given } = resolveNormalize(x, options);
  backend().normalize(op);
  return given ?? out;
}

/**
 * ∂ Σ normalize(x)·gradOutput / ∂x, [N, D]. The gradient at a zero row, which has no direction, is defined as 0.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function normalizeGradient(x: Matrix, gradOutput: Matrix, options: NormalizeOptions = {}): Matrix {
  const { op, out, given } = resolveNormalizeGradient(x, gradOutput, options);
  backend().normalizeGradient(op);
  return given ?? out;
}
