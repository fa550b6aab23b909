// The TypeScript backend: complete, in float64 accumulation, without cleverness. It defines the truth.
import type { Backend } from '../backend.js';
import { angularLoss } from './angular.js';
import { fromBfloat16, toBfloat16 } from './bfloat16.js';
import { centerLoss, updateCenters } from './center.js';
import { circleLoss } from './circle.js';
import { batchContrastiveLoss, contrastiveLoss } from './contrastive.js';
import { distances, distancesGradient } from './distances.js';
import { fastApLoss } from './fast-ap.js';
import { hardmax, hardmaxLoss } from './hardmax.js';
import { histogramLoss } from './histogram.js';
import { infoNceLoss } from './info-nce.js';
import { intraPairVarianceLoss } from './intra-pair-variance.js';
import { liftedStructureLoss } from './lifted-structure.js';
import { marginLoss } from './margin-loss.js';
import { marginSoftmax } from './margin-softmax.js';
import { matmul } from './matmul.js';
import { minePairs, mineTriplets } from './mining.js';
import { multiSimilarityLoss } from './multi-similarity.js';
import { ncaLoss } from './nca.js';
import { nearest, packGallery } from './nearest.js';
import { normalize, normalizeGradient } from './normalize.js';
import { nPairsLoss } from './npairs.js';
import { ntXentLoss } from './ntxent.js';
import { pnpLoss } from './pnp.js';
import { proxyAnchorLoss } from './proxy-anchor.js';
import { proxyNcaLoss } from './proxy-nca.js';
import { rankedListLoss } from './ranked-list.js';
import { relevantRanks } from './ranks.js';
import { softmax, softmaxCrossEntropy, softmaxGradient } from './softmax.js';
import { supConLoss } from './supcon.js';
import { tcmLoss } from './tcm.js';
import { batchTripletLoss, tripletLoss } from './triplet.js';
import { tupletMarginLoss } from './tuplet-margin.js';
import { vicRegLoss } from './vicreg.js';

export const reference: Backend = {
  matmul,
  normalize,
  normalizeGradient,
  distances,
  distancesGradient,
  nearest,
  packGallery,
  relevantRanks,
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
  ncaLoss,
  angularLoss,
  fastApLoss,
  marginLoss,
  intraPairVarianceLoss,
  tupletMarginLoss,
  histogramLoss,
  pnpLoss,
  rankedListLoss,
  tcmLoss,
  vicRegLoss,
};
