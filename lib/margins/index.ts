import { checkOptions } from '../checks.js';
import { remakeBy } from '../remake.js';
import { aSoftmax } from './a-softmax.js';
import { adaFace } from './adaface.js';
import { arcFace } from './arcface.js';
import { combinedMargin } from './combined-margin.js';
import { cosFace } from './cosface.js';
import { curricularFace } from './curricularface.js';
import { lSoftmax } from './l-softmax.js';
import { magFace } from './magface.js';
import { normalizedSoftmax } from './normalized-softmax.js';
import { p2sGrad } from './p2sgrad.js';
import { softTriple } from './soft-triple.js';
import { softmaxMargin } from './softmax.js';
import { sphereFaceR } from './sphereface-r.js';
import { sphereFace2 } from './sphereface2.js';
import { subCenters } from './sub-centers.js';
import type { Margin, SubCentersMargin } from './types.js';

const factories = {
  softmax: softmaxMargin,
  normalizedSoftmax,
  lSoftmax,
  aSoftmax,
  cosFace,
  arcFace,
  combinedMargin,
  sphereFaceR,
  sphereFace2,
  adaFace,
  magFace,
  curricularFace,
  subCenters(parameters: Omit<SubCentersMargin, 'kind'>) {
    const { k, margin } = checkOptions(parameters, ['k', 'margin']);
    return subCenters(k, margin);
  },
  softTriple,
  p2sGrad,
};

/** The margin as its own factory makes it. */
export function remake(margin: Margin): Margin {
  return remakeBy<Margin>(factories, margin, 'options.margin', 'a margin such as arcFace()');
}

export {
  adaFace,
  arcFace,
  aSoftmax,
  combinedMargin,
  cosFace,
  curricularFace,
  lSoftmax,
  magFace,
  normalizedSoftmax,
  p2sGrad,
  softmaxMargin,
  softTriple,
  sphereFace2,
  sphereFaceR,
  subCenters,
};
