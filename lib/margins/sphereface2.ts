import { checkChoice, checkNumber, checkOptions } from '../checks.js';
import { scaleRange } from './ranges.js';
import type { MarginGradient, SphereFace2Margin } from './types.js';

export interface SphereFace2Options {
  /** `C` (default) takes m from the target's g(cosθ) and adds it to the others'; `A` adds m to the target's angle; `M` multiplies it. */
  readonly variant?: 'C' | 'A' | 'M';
  /** Weight of the target's term, in (0, 1), default 0.7; the others have 1 − alpha. */
  readonly alpha?: number;
  /** Scale, in (0, 1e30), default 40. */
  readonly r?: number;
  /** C: ≥ 0, default 0.4. A: radians in [0, π], default 0.5. M: in [1, 64], default 1.7. */
  readonly m?: number;
  /** Exponent of g(u) = 2((u + 1)/2)^t − 1, ≥ 1, default 3. */
  readonly t?: number;
  /** > 0, default 50; see below. */
  readonly lossWeight?: number;
  /** `exact` (default), or `straightThrough`, the characteristic gradient detachment that opensphere trains with: that of r·cosθ. */
  readonly gradient?: MarginGradient;
}

const margins = { C: { m: 0.4, min: 0, max: Infinity }, A: { m: 0.5, min: 0, max: Math.PI }, M: { m: 1.7, min: 1, max: 64 } };

/**
 * SphereFace2 (Wen et al., ICLR 2022): binary cross-entropy of every class, without a softmax. The loss is lossWeight·C/r times the mean
 * over batch and classes; one bias, `options.bias` of `marginSoftmax`, is shared by all. Defaults are opensphere's.
 * No label smoothing and no class weights.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function sphereFace2(options: SphereFace2Options = {}): SphereFace2Margin {
  options = checkOptions(options, ['variant', 'alpha', 'r', 'm', 't', 'lossWeight', 'gradient']);
  const variant = checkChoice('options.variant', options.variant ?? 'C', ['C', 'A', 'M']);
  const { m, min, max } = margins[variant];
  return Object.freeze({
    kind: 'sphereFace2',
    variant,
    alpha: checkNumber('options.alpha', options.alpha ?? 0.7, { min: 0, max: 1, exclusive: true }),
    r: checkNumber('options.r', options.r ?? 40, scaleRange),
    m: checkNumber('options.m', options.m ?? m, { min, max }),
    t: checkNumber('options.t', options.t ?? 3, { min: 1 }),
    lossWeight: checkNumber('options.lossWeight', options.lossWeight ?? 50, { min: 0, exclusive: true }),
    gradient: checkChoice('options.gradient', options.gradient ?? 'exact', ['exact', 'straightThrough']),
  });
}
