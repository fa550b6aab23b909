// The TypeScript backend: complete, in float64 accumulation, without cleverness. It defines the truth.
import type { Backend } from '../backend.js';
import { fromBfloat16, toBfloat16 } from './bfloat16.js';
import { centerLoss, updateCenters } from './center.js';
import { circleLoss } from './circle.js';
import { batchContrastiveLoss, contrastiveLoss } from './contrastive.js';
import { distances, distancesGradient } from './distances.js';
import { hardmax, hardmaxLoss } from './hardmax.js';
import { infoNceLoss } from './info-nce.js';
import { liftedStructureLoss } from './lifted-structure.js';
import { marginSoftmax } from './margin-softmax.js';
import { matmul } from './matmul.js';
import { minePairs, mineTriplets } from './mining.js';
import { multiSimilarityLoss } from './multi-similarity.js';
import { nearest, packGallery } from './nearest.js';
import { normalize, normalizeGradient } from './normalize.js';
import { nPairsLoss } from './npairs.js';
import { ntXentLoss } from './ntxent.js';
import { proxyAnchorLoss } from './proxy-anchor.js';
import { proxyNcaLoss } from './proxy-nca.js';
import { softmax, softmaxCrossEntropy, softmaxGradient } from './softmax.js';
import { supConLoss } from './supcon.js';
import { batchTripletLoss, tripletLoss } from './triplet.js';

export const reference: Backend = {
  matmul,
  normalize,
  normalizeGradient,
  distances,
  distancesGradient,
  nearest,
  packGallery,
  toBfloat16,
  fromBfloat16,
  contrastiveLoss,
  batchContrastiveLoss,
  tripletLoss,
  batchTripletLoss,
  supConLoss,
  ntXentLoss,
  circleLoss,
  multiSimilarityLoss,
  liftedStructureLoss,
  infoNceLoss,
  nPairsLoss,
  proxyNcaLoss,
  proxyAnchorLoss,
  mineTriplets,
  minePairs,
  centerLoss,
  updateCenters,
  softmax,
  softmaxGradient,
  softmaxCrossEntropy,
  marginSoftmax,
  hardmax,
  hardmaxLoss,
};
