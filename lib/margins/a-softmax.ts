import { type MultiplicativeMarginOptions, multiplicative } from './l-softmax.js';
import type { ASoftmaxMargin } from './types.js';

/**
 * A-Softmax (SphereFace, Liu et al., CVPR 2017, eq. 7): unit class weights, no bias, logits ‖x‖cosθ, the target's ‖x‖ψ(θ).
 * The gradient is the exact one; the authors' Caffe layer departs from it on purpose.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function aSoftmax(options: MultiplicativeMarginOptions = {}): ASoftmaxMargin {
  return Object.freeze({ kind: 'aSoftmax', ...multiplicative(options) });
}
