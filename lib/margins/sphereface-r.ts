import { checkChoice, checkNumber, checkOptions } from '../checks.js';
import { scaleRange } from './ranges.js';
import type { MarginGradient, SphereFaceRMargin } from './types.js';

export interface SphereFaceROptions {
  /** Where the margin lies: `v0` target ψ(θ); `v1` (default) target cos(min(mθ, π)); `v2` the others become cos(θ/m). */
  readonly variant?: 'v0' | 'v1' | 'v2';
  /** Real, in [1, 64], default 1.5: multiplies the angle. */
  readonly m?: number;
  /** Scale, in (0, 1e30), default 30. */
  readonly s?: number;
  /** The loss is lossWeight/s times the cross-entropy; > 0, default 50. */
  readonly lossWeight?: number;
  /** `exact` (default), or `straightThrough`, the characteristic gradient detachment that the paper and opensphere train with. */
  readonly gradient?: MarginGradient;
}

/**
 * SphereFace-R (Liu et al., "SphereFace Revived", TPAMI 2022), hard feature normalisation. Defaults are opensphere's; so is `v0`
 * for a real m, with k = ⌊mθ/π⌋.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function sphereFaceR(options: SphereFaceROptions = {}): SphereFaceRMargin {
  options = checkOptions(options, ['variant', 'm', 's', 'lossWeight', 'gradient']);
  return Object.freeze({
    kind: 'sphereFaceR',
    variant: checkChoice('options.variant', options.variant ?? 'v1', ['v0', 'v1', 'v2']),
    m: checkNumber('options.m', options.m ?? 1.5, { min: 1, max: 64 }),
    s: checkNumber('options.s', options.s ?? 30, scaleRange),
    lossWeight: checkNumber('options.lossWeight', options.lossWeight ?? 50, { min: 0, exclusive: true }),
    gradient: checkChoice('options.gradient', options.gradient ?? 'exact', ['exact', 'straightThrough']),
  });
}
