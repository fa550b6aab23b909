// The TypeScript backend: complete, in float64 accumulation, without cleverness. It defines the truth.
import type { Backend } from '../backend.js';
import { fromBfloat16, toBfloat16 } from './bfloat16.js';
import { centerLoss, updateCenters } from './center.js';
import { batchContrastiveLoss, contrastiveLoss } from './contrastive.js';
import { distances, distancesGradient } from './distances.js';
import { hardmax, hardmaxLoss } from './hardmax.js';
import { marginSoftmax } from './margin-softmax.js';
import { matmul } from './matmul.js';
import { minePairs, mineTriplets } from './mining.js';
import { nearest, packGallery } from './nearest.js';
import { normalize, normalizeGradient } from './normalize.js';
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
