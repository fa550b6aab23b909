import { checkChoice, checkNumber, checkOptions } from '../checks.js';
import { factorRange, scaleRange } from './ranges.js';
import type { CombinedMargin, MarginGradient } from './types.js';

export interface CombinedMarginOptions {
  /** Scale, in (0, 1e30), default 64. */
  readonly s?: number;
  /** Multiplies the angle, in (0, 1e6), default 1. */
  readonly m1?: number;
  /** Added to the angle, radians ≥ 0, default 0.3. */
  readonly m2?: number;
  /** Taken from the cosine, ≥ 0, default 0.2. */
  readonly m3?: number;
  readonly gradient?: MarginGradient;
}

/**
 * Combined margin (ArcFace, eq. 4): the target is s(cos(m1·θ + m2) − m3), with no special case beyond π. Equals insightface's
 * MXNet head; its PyTorch head drops m2 whenever m3 > 0.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function combinedMargin(options: CombinedMarginOptions = {}): CombinedMargin {
  options = checkOptions(options, ['s', 'm1', 'm2', 'm3', 'gradient']);
  return Object.freeze({
    kind: 'combinedMargin',
    s: checkNumber('options.s', options.s ?? 64, scaleRange),
    m1: checkNumber('options.m1', options.m1 ?? 1, factorRange),
    m2: checkNumber('options.m2', options.m2 ?? 0.3, { min: 0 }),
    m3: checkNumber('options.m3', options.m3 ?? 0.2, { min: 0 }),
    gradient: checkChoice('options.gradient', options.gradient ?? 'exact', ['exact', 'straightThrough']),
  });
}
