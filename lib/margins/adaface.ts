import { checkNumber, checkOptions } from '../checks.js';
import { scaleRange } from './ranges.js';
import type { AdaFaceMargin } from './types.js';

export interface AdaFaceOptions {
  /** ≥ 0, default 0.4. */
  readonly m?: number;
  /** How fast the margin follows the norm, ≥ 0, default 0.333. */
  readonly h?: number;
  /** Scale, in (0, 1e30), default 64. */
  readonly s?: number;
  /** Share of this batch in the running statistics, in [0, 1]. Default 0.01, the authors' training setting; their class has 1. */
  readonly tAlpha?: number;
  /** Running mean of the norms before this batch, ≥ 0, default 20. */
  readonly batchMean?: number;
  /** Running standard deviation of the norms before this batch, ≥ 0, default 100. */
  readonly batchStd?: number;
}

/**
 * AdaFace (Kim et al., CVPR 2022): s(cos(θ − m·q) − m(1 + q)), q = h(‖x‖ − mean)/std cut to [−1, 1]: a larger additive and
 * a smaller angular margin for rows of high norm. Statistics move first, from rows that are not ignored, and are constants in the backward pass, as
 * in the authors' code, whose cuts (norms to [1e-3, 100], cosines to ±(1 − 1e-3)) these are too. The result's `margin` holds the statistics for
 * the next batch. The deviation divides by B − 1; one row alone leaves it as it was, where the authors' code gives NaN.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function adaFace(options: AdaFaceOptions = {}): AdaFaceMargin {
  options = checkOptions(options, ['m', 'h', 's', 'tAlpha', 'batchMean', 'batchStd']);
  return Object.freeze({
    kind: 'adaFace',
    m: checkNumber('options.m', options.m ?? 0.4, { min: 0 }),
    h: checkNumber('options.h', options.h ?? 0.333, { min: 0 }),
    s: checkNumber('options.s', options.s ?? 64, scaleRange),
    tAlpha: checkNumber('options.tAlpha', options.tAlpha ?? 0.01, { min: 0, max: 1 }),
    batchMean: checkNumber('options.batchMean', options.batchMean ?? 20, { min: 0 }),
    batchStd: checkNumber('options.batchStd', options.batchStd ?? 100, { min: 0 }),
  });
}
