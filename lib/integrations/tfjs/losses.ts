// Every loss of the package as an op of tfjs, under its own name, with its own arguments, options, checks and errors. `x` and whatever else
// a loss has gradients for may be tensors; see operation.ts for how. Only first derivatives exist.
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as core from '../../index.js';
import { flags, labels, type OpOptions, operation, rows, vector } from './operation.js';
import type { Rows, TensorLabels } from './tensors.js';

type Perhaps<Result> = core.OptionalGradients<Result>;

/** A loss over a labelled batch: x [B, D], labels [B]. */
export type BatchOp<Options, Result = core.BatchLossResult> = (
  x: Rows,
  labels: TensorLabels,
  options?: OpOptions<Options, Perhaps<Result>>,
) => Scalar;
/** A loss on logits [B, C], labels [B]. */
export type LogitsOp<Options, Result> = (logits: Rows, labels: TensorLabels, options?: OpOptions<Options, Perhaps<Result>>) => Scalar;
/** A loss between two matrices of the same shape, [N, D]. */
export type TwoViewsOp<Options, Result> = (x: Rows, y: Rows, options?: OpOptions<Options, Perhaps<Result>>) => Scalar;
/** A loss against one row a class: x [B, D], proxies [C, D], labels [B]. */
export type ProxyOp<Options, Result> = (
  x: Rows,
  proxies: Rows,
  labels: TensorLabels,
  options?: OpOptions<Options, Perhaps<Result>>,
) => Scalar;
/** A bias as a tensor gets a gradient too. */
export type WithBias = { readonly bias?: Tensor | Float32Array };

const x = rows('x', 'gradEmbeddings');
const logits = rows('logits', 'gradLogits');
const weights = rows('weights', 'gradWeights');
const proxies = rows('proxies', 'gradProxies');
const bias = vector('options.bias', 'gradBias');
const batch = [x, labels];
const views = [rows('x', 'gradX'), rows('y', 'gradY')];

/** {@link core.angularLoss} as an op. */
export const angularLoss: BatchOp<core.AngularLossOptions> = operation(core.angularLoss, batch);
/** {@link core.batchContrastiveLoss} as an op. */
export const batchContrastiveLoss: BatchOp<core.BatchContrastiveLossOptions> = operation(core.batchContrastiveLoss, batch);
/** {@link core.batchTripletLoss} as an op. */
export const batchTripletLoss: BatchOp<core.BatchTripletLossOptions, core.BatchTripletLossResult> = operation(core.batchTripletLoss, batch);
/** {@link core.circleLoss} as an op. */
export const circleLoss: BatchOp<core.CircleLossOptions> = operation(core.circleLoss, batch);
/** {@link core.fastApLoss} as an op. */
export const fastApLoss: BatchOp<core.FastApLossOptions> = operation(core.fastApLoss, batch);
/** {@link core.histogramLoss} as an op. */
export const histogramLoss: BatchOp<core.HistogramLossOptions> = operation(core.histogramLoss, batch);
/** {@link core.intraPairVarianceLoss} as an op. */
export const intraPairVarianceLoss: BatchOp<core.IntraPairVarianceLossOptions> = operation(core.intraPairVarianceLoss, batch);
/** {@link core.liftedStructureLoss} as an op. */
export const liftedStructureLoss: BatchOp<core.LiftedStructureLossOptions> = operation(core.liftedStructureLoss, batch);
/** {@link core.multiSimilarityLoss} as an op. */
export const multiSimilarityLoss: BatchOp<core.MultiSimilarityLossOptions> = operation(core.multiSimilarityLoss, batch);
/** {@link core.ncaLoss} as an op. */
export const ncaLoss: BatchOp<core.NcaLossOptions, core.RowLossResult> = operation(core.ncaLoss, batch);
/** {@link core.ntXentLoss} as an op. */
export const ntXentLoss: BatchOp<core.NtXentLossOptions> = operation(core.ntXentLoss, batch);
/** {@link core.pnpLoss} as an op. */
export const pnpLoss: BatchOp<core.PnpLossOptions> = operation(core.pnpLoss, batch);
/** {@link core.rankedListLoss} as an op. */
export const rankedListLoss: BatchOp<core.RankedListLossOptions> = operation(core.rankedListLoss, batch);
/** {@link core.supConLoss} as an op. */
export const supConLoss: BatchOp<core.SupConLossOptions, core.RowLossResult> = operation(core.supConLoss, batch);
/** {@link core.tcmLoss} as an op. */
export const tcmLoss: BatchOp<core.TcmLossOptions> = operation(core.tcmLoss, batch);
/** {@link core.tupletMarginLoss} as an op. */
export const tupletMarginLoss: BatchOp<core.TupletMarginLossOptions> = operation(core.tupletMarginLoss, batch);

/** {@link core.softmaxCrossEntropy} as an op. */
export const softmaxCrossEntropy: LogitsOp<core.SoftmaxCrossEntropyOptions, core.SoftmaxCrossEntropyResult> = operation(
  core.softmaxCrossEntropy,
  [logits, labels],
);
/** {@link core.hardmaxLoss} as an op. */
export const hardmaxLoss: LogitsOp<core.HardmaxLossOptions, core.HardmaxLossResult> = operation(core.hardmaxLoss, [logits, labels]);
/** {@link core.hardmaxHingeLoss} as an op. */
export const hardmaxHingeLoss: LogitsOp<core.HardmaxHingeLossOptions, core.HardmaxLossResult> = operation(core.hardmaxHingeLoss, [
  logits,
  labels,
]);

/** {@link core.infoNceLoss} as an op. */
export const infoNceLoss: TwoViewsOp<core.InfoNceLossOptions, core.InfoNceLossResult> = operation(core.infoNceLoss, views);
/** {@link core.vicRegLoss} as an op. */
export const vicRegLoss: TwoViewsOp<core.VicRegLossOptions, core.VicRegLossResult> = operation(core.vicRegLoss, views);
/** {@link core.nPairsLoss} as an op. Anchors and positives in place of two views. */
export const nPairsLoss: TwoViewsOp<core.NPairsLossOptions, core.NPairsLossResult> = operation(core.nPairsLoss, [
  rows('anchors', 'gradAnchors'),
  rows('positives', 'gradPositives'),
]);

/** {@link core.contrastiveLoss} as an op. `same`: 0 or 1 a pair, as int32 or bool. */
export const contrastiveLoss: (
  x1: Rows,
  x2: Rows,
  same: TensorLabels,
  options?: OpOptions<core.ContrastiveLossOptions, Perhaps<core.ContrastiveLossResult>>,
) => Scalar = operation(core.contrastiveLoss, [rows('x1', 'gradX1'), rows('x2', 'gradX2'), flags]);

/** {@link core.tripletLoss} as an op. */
export const tripletLoss: (
  anchor: Rows,
  positive: Rows,
  negative: Rows,
  options?: OpOptions<core.TripletLossOptions, Perhaps<core.TripletLossResult>>,
) => Scalar = operation(core.tripletLoss, [
  rows('anchor', 'gradAnchor'),
  rows('positive', 'gradPositive'),
  rows('negative', 'gradNegative'),
]);

/** {@link core.proxyAnchorLoss} as an op. */
export const proxyAnchorLoss: ProxyOp<core.ProxyAnchorLossOptions, core.ProxyAnchorLossResult> = operation(core.proxyAnchorLoss, [
  x,
  proxies,
  labels,
]);
/** {@link core.proxyNcaLoss} as an op. */
export const proxyNcaLoss: ProxyOp<core.ProxyNcaLossOptions, core.ProxyNcaLossResult> = operation(core.proxyNcaLoss, [x, proxies, labels]);

/** {@link core.centerLoss} as an op. Centers as a tensor get a gradient, of all of them; as a matrix they cost nothing, and `updateCenters` moves them. */
export const centerLoss: (
  x: Rows,
  labels: TensorLabels,
  centers: Rows,
  options?: OpOptions<core.CenterLossOptions, Perhaps<core.CenterLossResult>>,
) => Scalar = operation(core.centerLoss, [x, labels, rows('centers', 'gradCenters', 'gradCenters')]);

/** {@link core.marginLoss} as an op. β as a tensor is trained beside the embeddings. */
export const marginLoss: (
  x: Rows,
  labels: TensorLabels,
  beta: Tensor | Float32Array,
  options?: OpOptions<core.MarginLossOptions, Perhaps<core.MarginLossResult>>,
) => Scalar = operation(core.marginLoss, [x, labels, vector('beta', 'gradBeta')]);

/** {@link core.linearCrossEntropy} as an op. Weights as a tensor cross at every step, and so does their gradient; `headLoss` has them stay. */
export const linearCrossEntropy: (
  x: Rows,
  weights: Rows,
  labels: TensorLabels,
  options?: OpOptions<core.LinearCrossEntropyOptions, Perhaps<core.LinearCrossEntropyResult>> & WithBias,
) => Scalar = operation(core.linearCrossEntropy, [x, weights, labels], bias);

/** {@link core.marginSoftmax} as an op, weights as those of `linearCrossEntropy`. A margin that carries something to the next batch (`adaFace`, `curricularFace`) is in what `onResult` gets. */
export const marginSoftmax: (
  x: Rows,
  weights: Rows,
  labels: TensorLabels,
  options: OpOptions<core.MarginSoftmaxOptions, Perhaps<core.MarginSoftmaxResult>> & WithBias,
) => Scalar = operation(core.marginSoftmax, [x, weights, labels], bias);
