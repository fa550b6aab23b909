import { checkBoolean, checkNumber, checkOptions } from '../checks.js';
import { failure } from '../errors.js';
import { scaleRange } from './ranges.js';
import type { MagFaceMargin } from './types.js';

export interface MagFaceOptions {
  /** Scale, in (0, 1e30), default 64. */
  readonly s?: number;
  /** Norms are cut to [lA, uA], 0 < lA < uA, defaults 10 and 110. */
  readonly lA?: number;
  readonly uA?: number;
  /** The margin grows from lMargin at lA to uMargin at uA, radians in [0, π], lMargin ≤ uMargin, defaults 0.45 and 0.8. */
  readonly lMargin?: number;
  readonly uMargin?: number;
  /** Weight of the regulariser, ≥ 0, default 35 (the authors' script). It should exceed s·m'·uA²lA²/(uA² − lA²), m' the margin's growth a unit of norm. */
  readonly lambdaG?: number;
  /** `true` (default, as the authors'): cosθ stays as it is where it is not positive. `false`: cosθ − m·sin m beyond θ + m = π. */
  readonly easyMargin?: boolean;
}

/**
 * MagFace (Meng et al., CVPR 2021): the target is s·cos(θ + m(a)), a = ‖x‖ cut to [lA, uA], m linear in a, and the loss has
 * lambdaG·mean(a/uA² + 1/a) besides, the result's `regularizer`. The gradient goes through the norm; it is 0 outside [lA, uA].
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function magFace(options: MagFaceOptions = {}): MagFaceMargin {
  options = checkOptions(options, ['s', 'lA', 'uA', 'lMargin', 'uMargin', 'lambdaG', 'easyMargin']);
  const lA = checkNumber('options.lA', options.lA ?? 10, { min: 0, exclusive: true });
  const uA = checkNumber('options.uA', options.uA ?? 110, { min: 0, exclusive: true });
  if (uA <= lA) throw failure('ERR_OPTION_RANGE', 'options.uA', `more than lA, ${lA}`, String(uA));
  const lMargin = checkNumber('options.lMargin', options.lMargin ?? 0.45, { min: 0, max: Math.PI });
  const uMargin = checkNumber('options.uMargin', options.uMargin ?? 0.8, { min: 0, max: Math.PI });
  if (uMargin < lMargin) throw failure('ERR_OPTION_RANGE', 'options.uMargin', `at least lMargin, ${lMargin}`, String(uMargin));
  return Object.freeze({
    kind: 'magFace',
    s: checkNumber('options.s', options.s ?? 64, scaleRange),
    lA,
    uA,
    lMargin,
    uMargin,
    lambdaG: checkNumber('options.lambdaG', options.lambdaG ?? 35, { min: 0 }),
    easyMargin: checkBoolean('options.easyMargin', options.easyMargin ?? true),
  });
}
