import { checkChoice, checkNumber, checkOptions } from '../checks.js';
import { scaleRange } from './ranges.js';
import type { ArcFaceMargin, ArcFaceOverflow, MarginGradient } from './types.js';

export interface ArcFaceOptions {
  /** Scale, in (0, 1e30), default 64. */
  readonly s?: number;
  /** Additive angle in radians, in [0, π], default 0.5. */
  readonly m?: number;
  /**
   * Beyond θ + m = π: `linear` (default) goes on as cosθ − m·sin m (pytorch-metric-learning, CurricularFace);
   * `none` keeps cos(θ + m) (insightface); `easy` leaves cosθ as it is when cosθ ≤ 0; `clip` cuts θ + m at π − eps (AdaFace's head).
   */
  readonly overflow?: ArcFaceOverflow;
  /** `exact` (default), or `straightThrough` as insightface and opensphere train. */
  readonly gradient?: MarginGradient;
  /** For `clip`: in (0, 1), default 1e-4. */
  readonly eps?: number;
}

/**
 * ArcFace (Deng et al., CVPR 2019, eq. 3): the target is s·cos(θ + m).
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function arcFace(options: ArcFaceOptions = {}): ArcFaceMargin {
  options = checkOptions(options, ['s', 'm', 'overflow', 'gradient', 'eps']);
  return Object.freeze({
    kind: 'arcFace',
    s: checkNumber('options.s', options.s ?? 64, scaleRange),
    m: checkNumber('options.m', options.m ?? 0.5, { min: 0, max: Math.PI }),
    overflow: checkChoice('options.overflow', options.overflow ?? 'linear', ['none', 'linear', 'easy', 'clip']),
    gradient: checkChoice('options.gradient', options.gradient ?? 'exact', ['exact', 'straightThrough']),
    eps: checkNumber('options.eps', options.eps ?? 1e-4, { min: 0, max: 1, exclusive: true }),
  });
}
