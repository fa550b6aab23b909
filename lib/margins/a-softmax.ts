import { checkChoice, checkOptions } from '../checks.js';
import { type MultiplicativeMarginOptions, multiplicative } from './l-softmax.js';
import type { ASoftmaxMargin } from './types.js';

export interface ASoftmaxOptions extends MultiplicativeMarginOptions {
  /**
   * `exact` (default); `straightThrough`, that of ‖x‖cosθ; or `caffe`, what the authors' layer passes back in place of the gradient: to the
   * weights Σ_i g_ij x_i without margin and without the normalisation's share, to x the target's a·ŵ + b·x with the pair (a, b) at length 1, blended with λ.
   */
  readonly gradient?: ASoftmaxMargin['gradient'];
}

/**
 * A-Softmax (SphereFace, Liu et al., CVPR 2017, eq. 7): unit class weights, no bias, logits ‖x‖cosθ, the target's ‖x‖ψ(θ).
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function aSoftmax(options: ASoftmaxOptions = {}): ASoftmaxMargin {
  const { gradient, ...shared } = checkOptions(options, ['m', 'lambda', 'gradient']);
  return Object.freeze({
    kind: 'aSoftmax',
    ...multiplicative(shared),
    gradient: checkChoice('options.gradient', gradient ?? 'exact', ['exact', 'straightThrough', 'caffe']),
  });
}
