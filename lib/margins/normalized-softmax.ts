import { checkNumber, checkOptions } from '../checks.js';
import { temperatureRange } from './ranges.js';
import type { NormalizedSoftmaxMargin } from './types.js';

/**
 * No margin: logits cosθ / temperature (NormFace, Wang et al. 2017; pytorch-metric-learning's `NormalizedSoftmaxLoss`).
 * @param options `temperature` ≥ 1e-30, default 0.05
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function normalizedSoftmax(options: { readonly temperature?: number } = {}): NormalizedSoftmaxMargin {
  options = checkOptions(options, ['temperature']);
  const temperature = checkNumber('options.temperature', options.temperature ?? 0.05, temperatureRange);
  return Object.freeze({ kind: 'normalizedSoftmax', temperature });
}
