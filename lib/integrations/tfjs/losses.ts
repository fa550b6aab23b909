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

export const angularLoss: BatchOp<core.AngularLossOptions> = operation(core.angularLoss, batch);
export const batchContrastiveLoss: BatchOp<core.BatchContrastiveLossOptions> = operation(core.batchContrastiveLoss, batch);
export const batchTripletLoss: BatchOp<core.BatchTripletLossOptions, core.BatchTripletLossResult> = operation(core.batchTripletLoss, batch);
export const circleLoss: BatchOp<core.CircleLossOptions> = operation(core.circleLoss, batch);
export const fastApLoss: BatchOp<core.FastApLossOptions> = operation(core.fastApLoss, batch);
export const histogramLoss: BatchOp<core.HistogramLossOptions> = operation(core.histogramLoss, batch);
export const intraPairVarianceLoss: BatchOp<core.IntraPairVarianceLossOptions> = operation(core.intraPairVarianceLoss, batch);
export const liftedStructureLoss: BatchOp<core.LiftedStructureLossOptions> = operation(core.liftedStructureLoss, batch);
export const multiSimilarityLoss: BatchOp<core.MultiSimilarityLossOptions> = operation(core.multiSimilarityLoss, batch);
export const ncaLoss: BatchOp<core.NcaLossOptions, core.RowLossResult> = operation(core.ncaLoss, batch);
export const ntXentLoss: BatchOp<core.NtXentLossOptions> = operation(core.ntXentLoss, batch);
export const pnpLoss: BatchOp<core.PnpLossOptions> = operation(core.pnpLoss, batch);
export const rankedListLoss: BatchOp<core.RankedListLossOptions> = operation(core.rankedListLoss, batch);
export const supConLoss: BatchOp<core.SupConLossOptions, core.RowLossResult> = operation(core.supConLoss, batch);
export const tcmLoss: BatchOp<core.TcmLossOptions> = operation(core.tcmLoss, batch);
export const tupletMarginLoss: BatchOp<core.TupletMarginLossOptions> = operation(core.tupletMarginLoss, batch);

export const softmaxCrossEntropy: LogitsOp<core.SoftmaxCrossEntropyOptions, core.SoftmaxCrossEntropyResult> = operation(
  core.softmaxCrossEntropy,
  [logits, labels],
);
export const hardmaxLoss: LogitsOp<core.HardmaxLossOptions, core.HardmaxLossResult> = operation(core.hardmaxLoss, [logits, labels]);
export const hardmaxHingeLoss: LogitsOp<core.HardmaxHingeLossOptions, core.HardmaxLossResult> = operation(core.hardmaxHingeLoss, [
  logits,
  labels,
]);

export const infoNceLoss: TwoViewsOp<core.InfoNceLossOptions, core.InfoNceLossResult> = operation(core.infoNceLoss, views);
export const vicRegLoss: TwoViewsOp<core.VicRegLossOptions, core.VicRegLossResult> = operation(core.vicRegLoss, views);
/** Anchors and positives in place of two views. */
export const nPairsLoss: TwoViewsOp<core.NPairsLossOptions, core.NPairsLossResult> = operation(core.nPairsLoss, [
  rows('anchors', 'gradAnchors'),
  rows('positives', 'gradPositives'),
]);

/** `same`: 0 or 1 a pair, as int32 or bool. */
export const contrastiveLoss: (
  x1: Rows,
  x2: Rows,
  same: TensorLabels,
  options?: OpOptions<core.ContrastiveLossOptions, Perhaps<core.ContrastiveLossResult>>,
) => Scalar = operation(core.contrastiveLoss, [rows('x1', 'gradX1'), rows('x2', 'gradX2'), flags]);

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

export const proxyAnchorLoss: ProxyOp<core.ProxyAnchorLossOptions, core.ProxyAnchorLossResult> = operation(core.proxyAnchorLoss, [
  x,
  proxies,
  labels,
]);
export const proxyNcaLoss: ProxyOp<core.ProxyNcaLossOptions, core.ProxyNcaLossResult> = operation(core.proxyNcaLoss, [x, proxies, labels]);

/** Centers as a tensor get a gradient, of all of them; as a matrix they cost nothing, and `updateCenters` moves them. */
export const centerLoss: (
  x: Rows,
  labels: TensorLabels,
  centers: Rows,
  options?: OpOptions<core.CenterLossOptions, Perhaps<core.CenterLossResult>>,
) => Scalar = operation(core.centerLoss, [x, labels, rows('centers', 'gradCenters', 'gradCenters')]);

/** β as a tensor is trained beside the embeddings. */
export const marginLoss: (
  x: Rows,
  labels: TensorLabels,
  beta: Tensor | Float32Array,
  options?: OpOptions<core.MarginLossOptions, Perhaps<core.MarginLossResult>>,
) => Scalar = operation(core.marginLoss, [x, labels, vector('beta', 'gradBeta')]);

/** Weights as a tensor cross at every step, and so does their gradient; `headLoss` has them stay. */
export const linearCrossEntropy: (
  x: Rows,
  weights: Rows,
  labels: TensorLabels,
  options?: OpOptions<core.LinearCrossEntropyOptions, Perhaps<core.LinearCrossEntropyResult>> & WithBias,
) => Scalar = operation(core.linearCrossEntropy, [x, weights, labels], bias);

/** As `linearCrossEntropy`. A margin that carries something to the next batch (`adaFace`, `curricularFace`) is in what `onResult` gets. */
export const marginSoftmax: (
  x: Rows,
  weights: Rows,
  labels: TensorLabels,
  options: OpOptions<core.MarginSoftmaxOptions, Perhaps<core.MarginSoftmaxResult>> & WithBias,
) => Scalar = operation(core.marginSoftmax, [x, weights, labels], bias);
