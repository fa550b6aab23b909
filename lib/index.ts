// Public exports only.
export { type BackendName, type Info, info, setBackend, setIsa, setThreads } from './backend.js';
export { updateCenters } from './centers.js';
export type { Labels } from './checks.js';
export { type DistancesOptions, distances, distancesGradient } from './distances.js';
export { type ErrorCode, type ErrorDetails, HypersphereError } from './errors.js';
export { Centers } from './heads/centers.js';
export { type CenterLossOptions, type CenterLossResult, centerLoss } from './losses/center.js';
export {
  type BatchContrastiveLossOptions,
  type BatchLossResult,
  batchContrastiveLoss,
  type ContrastiveLossOptions,
  type ContrastiveLossResult,
  contrastiveLoss,
} from './losses/contrastive.js';
export { hardmax, hardmaxHingeLoss, hardmaxLoss } from './losses/hardmax.js';
export { type MarginSoftmaxOptions, type MarginSoftmaxResult, marginSoftmax } from './losses/margin-softmax.js';
export { linearCrossEntropy, softmax, softmaxCrossEntropy, softmaxGradient } from './losses/softmax.js';
export {
  type BatchTripletLossOptions,
  type BatchTripletLossResult,
  batchTripletLoss,
  type TripletLossOptions,
  type TripletLossResult,
  tripletLoss,
} from './losses/triplet.js';
export { arcFace, aSoftmax, combinedMargin, cosFace, lSoftmax, normalizedSoftmax } from './margins/index.js';
export { annealedLambda } from './margins/schedule.js';
export type { Margin } from './margins/types.js';
export { matmul } from './matmul.js';
export { alloc, type IndexMatrix, type Matrix, matrix } from './matrix.js';
export { clustering } from './metrics/clustering.js';
export { retrieval } from './metrics/retrieval.js';
export { roc } from './metrics/roc.js';
export { verification } from './metrics/verification.js';
export { type MinedPairs, type MinePairsOptions, type MineTripletsOptions, minePairs, mineTriplets } from './mining.js';
export type { Isa } from './native/binding.js';
export { type NearestOptions, type Neighbours, nearest } from './nearest.js';
export { normalize, normalizeGradient } from './normalize.js';
export { OfflineMiner, type OfflineMinerOptions } from './offline-miner.js';
export { createRandom, type Random } from './random.js';
export { balancedBatches, samplePairs, takeRows } from './sampling.js';
