import { checkNumber, checkOptions } from '../checks.js';
import { scaleRange } from './ranges.js';
import type { CosFaceMargin } from './types.js';

/**
 * CosFace / AM-Softmax (Wang et al., CVPR 2018, eq. 4): the target is s(cosθ − m). All references agree.
 * @param options `s` in (0, 1e30), default 64; `m` ≥ 0, default 0.35
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function cosFace(options: { readonly s?: number; readonly m?: number } = {}): CosFaceMargin {
  options = checkOptions(options, ['s', 'm']);
  const s = checkNumber('options.s', options.s ?? 64, scaleRange);
  return Object.freeze({ kind: 'cosFace', s, m: checkNumber('options.m', options.m ?? 0.35, { min: 0 }) });
}
