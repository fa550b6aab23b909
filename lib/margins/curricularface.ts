import { checkNumber, checkOptions } from '../checks.js';
import { scaleRange } from './ranges.js';
import type { CurricularFaceMargin } from './types.js';

export interface CurricularFaceOptions {
  /** Additive angle in radians, in [0, π], default 0.5. */
  readonly m?: number;
  /** Scale, in (0, 1e30), default 64. */
  readonly s?: number;
  /** Running mean of the target cosines before this batch, in [−1, 1], default 0. */
  readonly t?: number;
  /** Share of this batch in the running mean, in [0, 1], default 0.01. */
  readonly momentum?: number;
}

/**
 * CurricularFace (Huang et al., CVPR 2020): the target as `arcFace({ overflow: 'linear' })`; another class with cosθ_j > cos(θ_y + m) is
 * hard and becomes cosθ_j(t + cosθ_j). t moves first, from rows that are not ignored, and is a constant in the backward pass, as in the
 * authors' code; the result's `margin` holds it for the next batch.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function curricularFace(options: CurricularFaceOptions = {}): CurricularFaceMargin {
  options = checkOptions(options, ['m', 's', 't', 'momentum']);
  return Object.freeze({
    kind: 'curricularFace',
    m: checkNumber('options.m', options.m ?? 0.5, { min: 0, max: Math.PI }),
    s: checkNumber('options.s', options.s ?? 64, scaleRange),
    t: checkNumber('options.t', options.t ?? 0, { min: -1, max: 1 }),
    momentum: checkNumber('options.momentum', options.momentum ?? 0.01, { min: 0, max: 1 }),
  });
}
