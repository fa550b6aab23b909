import { checkOptions } from '../checks.js';
import type { SoftmaxMargin } from './types.js';

/**
 * No margin at all: logits w·x + bias, raw rows and weights, which is `linearCrossEntropy`. For code that takes any margin.
 * @throws ERR_TYPE, ERR_OPTION_RANGE for an unknown option
 */
export function softmaxMargin(options: Record<never, never> = {}): SoftmaxMargin {
  checkOptions(options, []);
  return Object.freeze({ kind: 'softmax' });
}
