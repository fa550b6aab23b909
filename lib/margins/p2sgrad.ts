import { checkOptions } from '../checks.js';
import type { P2sGradMargin } from './types.js';

/**
 * P2SGrad (Wang et al., CVPR 2019): the mean over batch and classes of (cosθ_j − [j = y])². No softmax and no parameter; its gradient
 * is the paper's G up to the constant 2/C. Equals pytorch-metric-learning's `P2SGradLoss`.
 * @throws ERR_TYPE, ERR_OPTION_RANGE for an unknown option
 */
export function p2sGrad(options: Record<never, never> = {}): P2sGradMargin {
  checkOptions(options, []);
  return Object.freeze({ kind: 'p2sGrad' });
}
