// Public exports only.
export {
  type BackendName,
  type CudaInfo,
  type Device,
  type Info,
  info,
  type ProductPrecision,
  setBackend,
  setIsa,
  setProductPrecision,
  setThreads,
} from './backend.js';
export { type FromBfloat16Options, fromBfloat16, type ToBfloat16Options, toBfloat16 } from './bfloat16.js';
export { type UpdateCentersOptions, updateCenters } from './centers.js';
export type { Labels } from './checks.js';
export {
  attachCollective,
  type Collective,
  type CollectiveHandle,
  type CollectivesOptions,
  createCollectives,
  type Gatherable,
  type Reducible,
} from './collective.js';
export { CrossBatchMemory, type CrossBatchMemoryContents, type CrossBatchMemoryOptions } from './cross-batch-memory.js';
export { type DistanceChunk, type DistanceChunksOptions, distanceChunks } from './distance-chunks.js';
export {
  type DistancesGradient,
  type DistancesGradientOptions,
  type DistancesGradients,
  type DistancesOptions,
  distances,
  distancesGradient,
} from './distances.js';
export type { EmbeddingSource, MatrixChunks } from './embedding-source.js';
export { type ErrorCode, type ErrorDetails, HypersphereError } from './errors.js';
export { Centers, type CentersOptions } from './heads/centers.js';
export type { Precision } from './heads/class-weights.js';
export {
  ClassifierHead,
  type ForwardBackwardOptions,
  type ForwardBackwardResult,
  type Predictions,
  type StepOptions,
  type StepResult,
} from './heads/classifier-head.js';
export { Gallery, type GalleryOptions } from './heads/gallery.js';
export type { LoadOptions } from './heads/head-file.js';
export type { ClassifierHeadOptions, Rounding, Shard } from './heads/head-options.js';
export { type AdaGrad, type AdaGradOptions, adaGrad, type Optimizer, type Sgd, type SgdOptions, sgd } from './heads/optimizers.js';
export { type AngularLossOptions, angularLoss } from './losses/angular.js';
export { type CenterLossOptions, type CenterLossResult, centerLoss } from './losses/center.js';
export { type CircleLossOptions, circleLoss } from './losses/circle.js';
export type { ClassificationOptions } from './losses/classification.js';
export {
  type BatchContrastiveLossOptions,
  batchContrastiveLoss,
  type ContrastiveLossOptions,
  type ContrastiveLossResult,
  contrastiveLoss,
} from './losses/contrastive.js';
export { type FastApLossOptions, fastApLoss } from './losses/fast-ap.js';
export {
  type HardmaxHingeLossOptions,
  type HardmaxLossOptions,
  type HardmaxLossResult,
  hardmax,
  hardmaxHingeLoss,
  hardmaxLoss,
} from './losses/hardmax.js';
export { type HistogramLossOptions, histogramLoss } from './losses/histogram.js';
export { type InfoNceLossOptions, type InfoNceLossResult, infoNceLoss } from './losses/info-nce.js';
export { type IntraPairVarianceLossOptions, intraPairVarianceLoss } from './losses/intra-pair-variance.js';
export type { BatchLossOptions, BatchLossResult, RowLossResult } from './losses/labelled-batch.js';
export { type LiftedStructureLossOptions, liftedStructureLoss } from './losses/lifted-structure.js';
export { type MarginLossOptions, type MarginLossResult, marginLoss } from './losses/margin-loss.js';
export { type MarginSoftmaxOptions, type MarginSoftmaxResult, marginSoftmax } from './losses/margin-softmax.js';
export { type MultiSimilarityLossOptions, multiSimilarityLoss } from './losses/multi-similarity.js';
export { type NcaLossOptions, ncaLoss } from './losses/nca.js';
export { type NPairsLossOptions, type NPairsLossResult, nPairsLoss } from './losses/npairs.js';
export { type NtXentLossOptions, ntXentLoss } from './losses/ntxent.js';
export type { Backward, GradientOptions, OptionalGradients } from './losses/outputs.js';
export { type PnpLossOptions, pnpLoss } from './losses/pnp.js';
export type { ProxyLossOptions } from './losses/proxies.js';
export { type ProxyAnchorLossOptions, type ProxyAnchorLossResult, proxyAnchorLoss } from './losses/proxy-anchor.js';
export { type ProxyNcaLossOptions, type ProxyNcaLossResult, proxyNcaLoss } from './losses/proxy-nca.js';
export { type RankedListLossOptions, rankedListLoss } from './losses/ranked-list.js';
export {
  type LinearCrossEntropyOptions,
  type LinearCrossEntropyResult,
  linearCrossEntropy,
  type SoftmaxCrossEntropyOptions,
  type SoftmaxCrossEntropyResult,
  type SoftmaxOptions,
  softmax,
  softmaxCrossEntropy,
  softmaxGradient,
} from './losses/softmax.js';
export { type SupConLossOptions, supConLoss } from './losses/supcon.js';
export { type TcmLossOptions, tcmLoss } from './losses/tcm.js';
export {
  type BatchTripletLossOptions,
  type BatchTripletLossResult,
  batchTripletLoss,
  type TripletLossOptions,
  type TripletLossResult,
  tripletLoss,
} from './losses/triplet.js';
export { type TupletMarginLossOptions, tupletMarginLoss } from './losses/tuplet-margin.js';
export { type VicRegLossOptions, type VicRegLossResult, vicRegLoss } from './losses/vicreg.js';
export type { ASoftmaxOptions } from './margins/a-softmax.js';
export type { AdaFaceOptions } from './margins/adaface.js';
export type { ArcFaceOptions } from './margins/arcface.js';
export type { CombinedMarginOptions } from './margins/combined-margin.js';
export type { CurricularFaceOptions } from './margins/curricularface.js';
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
} from './margins/index.js';
export type { MultiplicativeMarginOptions } from './margins/l-softmax.js';
export type { MagFaceOptions } from './margins/magface.js';
export { annealedLambda, type LambdaScheduleOptions } from './margins/schedule.js';
export type { SoftTripleOptions } from './margins/soft-triple.js';
export type { SphereFaceROptions } from './margins/sphereface-r.js';
export type { SphereFace2Options } from './margins/sphereface2.js';
export type {
  AdaFaceMargin,
  ArcFaceMargin,
  ArcFaceOverflow,
  ASoftmaxMargin,
  CombinedMargin,
  CosFaceMargin,
  CosineMargin,
  CurricularFaceMargin,
  LSoftmaxMargin,
  MagFaceMargin,
  Margin,
  MarginGradient,
  NormalizedSoftmaxMargin,
  P2sGradMargin,
  SoftmaxMargin,
  SoftTripleMargin,
  SphereFace2Margin,
  SphereFaceRMargin,
  SubCentersMargin,
} from './margins/types.js';
export { type MatmulOptions, matmul } from './matmul.js';
export { alloc, type Bfloat16Matrix, type IndexMatrix, type Matrix, matrix } from './matrix.js';
export { type Clustering, clustering } from './metrics/clustering.js';
export { type Retrieval, type RetrievalOptions, retrieval } from './metrics/retrieval.js';
export { type Roc, type RocOptions, roc } from './metrics/roc.js';
export { type Verification, type VerificationOptions, verification } from './metrics/verification.js';
export {
  type MineTripletsOfflineOptions,
  type MiningProgress,
  mineTripletsOffline,
  type OfflineStrategy,
  type OfflineTriplets,
} from './mine-offline.js';
export { type MinedPairs, type MinePairsOptions, type MineTripletsOptions, minePairs, mineTriplets } from './mining.js';
export type { Isa } from './native/binding.js';
export { type NearestOptions, type Neighbours, nearest, type SearchOptions } from './nearest.js';
export { type NormalizeOptions, normalize, normalizeGradient } from './normalize.js';
export { OfflineMiner, type OfflineMinerOptions } from './offline-miner.js';
export type { PnpVariant } from './ops/batch-losses.js';
export type { CenterReduction } from './ops/centers.js';
export type { Metric, NearestFilter } from './ops/distances.js';
export type { EasyHardChoice, MiningStrategy, PairDistance, PairStrategy, TermReduction, TripletStrategy } from './ops/pairs.js';
export type { SoftmaxReduction } from './ops/softmax.js';
export { createRandom, type Random } from './random.js';
export {
  type BalancedBatchesOptions,
  balancedBatches,
  type SampledPairs,
  type SamplePairsOptions,
  samplePairs,
  takeRows,
} from './sampling.js';
