import { checkInteger } from '../checks.js';
import { arcFace } from './arcface.js';
import { combinedMargin } from './combined-margin.js';
import { cosFace } from './cosface.js';
import { normalizedSoftmax } from './normalized-softmax.js';
import { remakeBy } from './remake.js';
import type { CosineMargin, SubCentersMargin } from './types.js';

const factories = { normalizedSoftmax, cosFace, arcFace, combinedMargin };

/**
 * Sub-centers (Deng et al., "Sub-center ArcFace", ECCV 2020): k rows of weights a class, [C·k, D], rows j·k … j·k + k − 1 of class j, whose
 * cosine is the largest of the k; then `margin` as ever. Ties go to the lowest row, and only the row that was taken has a gradient. The authors use
 * k = 3 with `arcFace`, which equals pytorch-metric-learning's `SubCenterArcFaceLoss`.
 * @param k rows a class, in [1, 256]
 * @param margin `normalizedSoftmax()`, `cosFace()`, `arcFace()` or `combinedMargin()`
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function subCenters(k: number, margin: CosineMargin): SubCentersMargin {
  return Object.freeze({
    kind: 'subCenters',
    k: checkInteger('k', k, 1, 256),
    margin: remakeBy<CosineMargin>(factories, margin, 'margin'),
  });
}
