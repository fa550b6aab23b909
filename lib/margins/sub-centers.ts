import { checkInteger } from '../checks.js';
import { failure } from '../errors.js';
import { remakeBy } from '../remake.js';
import { adaFace } from './adaface.js';
import { arcFace } from './arcface.js';
import { mostCenters } from './columns.js';
import { combinedMargin } from './combined-margin.js';
import { cosFace } from './cosface.js';
import { curricularFace } from './curricularface.js';
import { magFace } from './magface.js';
import { normalizedSoftmax } from './normalized-softmax.js';
import { sphereFaceR } from './sphereface-r.js';
import type { CosineMargin, Margin, SubCentersMargin } from './types.js';

const factories = { normalizedSoftmax, cosFace, arcFace, combinedMargin, sphereFaceR, adaFace, magFace, curricularFace };

const onWeights = 'whose logits depend on the lengths of the rows of weights: the greatest is not that of the nearest row';
const severalRows = 'which has several rows a class of its own';
const binary = 'whose loss judges every class by itself';

/** Why the others have no sub-centers. */
const refusals: Record<Exclude<Margin['kind'], CosineMargin['kind']>, string> = {
  softmax: onWeights,
  lSoftmax: onWeights,
  aSoftmax: 'whose logits depend on the lengths of the embeddings: they are no cosines',
  sphereFace2: binary,
  p2sGrad: binary,
  softTriple: severalRows,
  subCenters: severalRows,
};

/**
 * Sub-centers (Deng et al., "Sub-center ArcFace", ECCV 2020): k rows of weights a class, [C·k, D], rows j·k … j·k + k − 1 of class j, whose
 * cosine is the largest of the k; then `margin` as ever, on that cosine: of the target, of the other classes, and in what the margin
 * carries from batch to batch. Ties go to the lowest row, and only the row that was taken has a gradient. The authors use k = 3 with
 * `arcFace`, which equals pytorch-metric-learning's `SubCenterArcFaceLoss`; the other combinations have no published implementation.
 * @param k rows a class, in [1, 256]
 * @param margin one on the cosine of unit rows, with a softmax: `normalizedSoftmax()`, `cosFace()`, `arcFace()`, `combinedMargin()`,
 * `sphereFaceR()`, `adaFace()`, `magFace()` or `curricularFace()`
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function subCenters(k: number, margin: CosineMargin): SubCentersMargin {
  const kind: unknown = (margin as CosineMargin | null | undefined)?.kind;
  if (typeof kind === 'string' && Object.hasOwn(refusals, kind)) {
    const why = refusals[kind as keyof typeof refusals];
    throw failure(
      'ERR_OPTION_RANGE',
      'margin.kind',
      `a softmax over cosines, one of ${Object.keys(factories).join(', ')}`,
      `'${kind}', ${why}`,
    );
  }
  return Object.freeze({
    kind: 'subCenters',
    k: checkInteger('k', k, 1, mostCenters),
    margin: remakeBy<CosineMargin>(factories, margin, 'margin', 'a margin such as arcFace()'),
  });
}
