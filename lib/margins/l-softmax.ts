import { checkInteger, checkNumber, checkOptions } from '../checks.js';
import type { LSoftmaxMargin } from './types.js';

export interface MultiplicativeMarginOptions {
  /** Integer of at least 1, default 4: the angle to the own class is multiplied by it. 1 is plain softmax. */
  readonly m?: number;
  /** λ ≥ 0, default 0 (the pure margin); the target is (λ·plain + margin)/(1 + λ). Anneal it with `annealedLambda`. */
  readonly lambda?: number;
}

export function multiplicative(options: MultiplicativeMarginOptions): { m: number; lambda: number } {
  options = checkOptions(options, ['m', 'lambda']);
  return {
    m: checkInteger('options.m', options.m ?? 4, 1, 64),
    lambda: checkNumber('options.lambda', options.lambda ?? 0, { min: 0 }),
  };
}

/**
 * Large-margin softmax (Liu et al., ICML 2016, eq. 4–6): logits w·x, the target's ‖w‖‖x‖ψ(θ). Equals the authors' Caffe
 * layer without its 1e-9 guards, and pytorch-metric-learning's `LargeMarginSoftmaxLoss` for λ = 0.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function lSoftmax(options: MultiplicativeMarginOptions = {}): LSoftmaxMargin {
  return Object.freeze({ kind: 'lSoftmax', ...multiplicative(options) });
}
