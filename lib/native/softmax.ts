// How the ops on softmax cross into the addon. That of the heads takes the margin and the settings as numbers, in the order that
// native/napi/margin_softmax.cc reads.
import { centersOf, columnMargin } from '../margins/columns.js';
import type { ColumnMargin, Margin } from '../margins/types.js';
import {
  type HardmaxLossOp,
  type MarginSoftmaxOp,
  type MarginSoftmaxResult,
  type SoftmaxCrossEntropyOp,
  type SoftmaxGradientOp,
  type SoftmaxOp,
  softmaxReductions,
  type WeightUpdate,
} from '../ops/softmax.js';
import type { Values } from '../ops/types.js';

export type HeadArguments = [
  x: Float32Array,
  weights: Float32Array | Uint16Array,
  rows: Int32Array | undefined,
  labels: Int32Array,
  bias: Float32Array | undefined,
  classWeights: Float32Array | undefined,
  gradOutput: Float32Array | undefined,
  perExample: Float32Array,
  logits: Float32Array | undefined,
  gradX: Float32Array | undefined,
  gradWeights: Float32Array | undefined,
  gradBias: Float32Array | undefined,
  state: Float32Array | Uint16Array | undefined,
  statistics: Float64Array | undefined,
  result: Float64Array,
  margin: Float64Array,
  settings: Float64Array,
  n: number,
  d: number,
  classes: number,
  weightClasses: number,
  phase: number,
];

export type SoftmaxArguments = [
  logits: Float32Array,
  gradOutput: Float32Array | undefined,
  n: number,
  classes: number,
  temperature: number,
  out: Float32Array,
];

export type CrossEntropyArguments = [
  logits: Float32Array,
  labels: Int32Array,
  classWeights: Float32Array | undefined,
  gradOutput: Float32Array | undefined,
  n: number,
  classes: number,
  reduction: number,
  labelSmoothing: number,
  ignoreIndex: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradLogits: Float32Array | undefined,
];

// As MarginKind in native/api.h; sub-centers are their inner margin with k > 1.
const kinds: readonly ColumnMargin['kind'][] = [
  'softmax',
  'normalizedSoftmax',
  'lSoftmax',
  'aSoftmax',
  'cosFace',
  'arcFace',
  'combinedMargin',
  'sphereFaceR',
  'sphereFace2',
  'adaFace',
  'magFace',
  'curricularFace',
  'softTriple',
  'p2sGrad',
];
const overflows = ['none', 'linear', 'easy', 'clip'];
const gradients = ['exact', 'straightThrough', 'caffe'];

interface Numbers {
  readonly choice?: number;
  readonly gradient?: string;
  readonly scale?: number;
  readonly numbers?: readonly number[];
}

function numbersOf(margin: ColumnMargin): Numbers {
  switch (margin.kind) {
    case 'softmax':
    case 'p2sGrad':
      return {};
    case 'normalizedSoftmax':
      return { scale: 1 / margin.temperature };
    case 'lSoftmax':
      return { numbers: [margin.m, margin.lambda] };
    case 'aSoftmax':
      return { gradient: margin.gradient, numbers: [margin.m, margin.lambda] };
    case 'cosFace':
      return { scale: margin.s, numbers: [margin.m] };
    case 'arcFace': {
      const { s, m, eps, overflow, gradient } = margin;
      return { choice: overflows.indexOf(overflow), gradient, scale: s, numbers: [m, eps] };
    }
    case 'combinedMargin':
      return { gradient: margin.gradient, scale: margin.s, numbers: [margin.m1, margin.m2, margin.m3] };
    case 'sphereFaceR': {
      const { variant, gradient, s, m, lossWeight } = margin;
      return { choice: ['v0', 'v1', 'v2'].indexOf(variant), gradient, scale: s, numbers: [m, lossWeight] };
    }
    case 'sphereFace2': {
      const { variant, gradient, alpha, r, m, t, lossWeight } = margin;
      return { choice: ['C', 'A', 'M'].indexOf(variant), gradient, numbers: [alpha, r, m, t, lossWeight] };
    }
    case 'adaFace':
      return { scale: margin.s, numbers: [margin.m, margin.h, margin.tAlpha, margin.batchMean, margin.batchStd] };
    case 'magFace': {
      const { s, lA, uA, lMargin, uMargin, lambdaG, easyMargin } = margin;
      return { choice: Number(easyMargin), scale: s, numbers: [lA, uA, lMargin, uMargin, lambdaG] };
    }
    case 'curricularFace':
      return { scale: margin.s, numbers: [margin.m, margin.t, margin.momentum] };
    case 'softTriple':
      return { scale: margin.la, numbers: [margin.gamma, margin.margin] };
  }
}

/** kind, choice, gradient, k, scale, and the five numbers of the kind. */
function marginArgument(margin: Margin): Float64Array {
  const column = columnMargin(margin);
  const { choice = 0, gradient = 'exact', scale = 1, numbers = [] } = numbersOf(column);
  const packed = new Float64Array(10);
  packed.set([kinds.indexOf(column.kind), choice, gradients.indexOf(gradient), centersOf(margin), scale, ...numbers]);
  return packed;
}

function updateSettings(update: WeightUpdate | undefined): number[] {
  if (!update) return [-1, 0, 0, 0, 0, -1];
  const { rule, seed = -1 } = update;
  return rule.kind === 'sgd'
    ? [0, rule.learningRate, rule.momentum, rule.weightDecay, 0, seed]
    : [1, rule.learningRate, 0, rule.weightDecay, rule.eps, seed];
}

// The face passes Float32Arrays only; float64 is for the gradient checks, which call the reference backend directly.
const optional = (values: Values | undefined): Float32Array | undefined => values as Float32Array | undefined;

export function headArguments(op: MarginSoftmaxOp, result: Float64Array): HeadArguments {
  const { n, d, classes, margin, weights, rows, labels, update, exchange } = op;
  const settings = Float64Array.of(
    softmaxReductions.indexOf(op.reduction),
    op.labelSmoothing,
    op.ignoreIndex,
    op.workspaceBytes,
    exchange?.allClasses ?? classes,
    ...updateSettings(update),
  );
  return [
    op.x as Float32Array,
    weights as Float32Array | Uint16Array,
    rows,
    labels,
    optional(op.bias),
    optional(op.classWeights),
    optional(op.gradOutput),
    op.perExample as Float32Array,
    optional(op.logits),
    optional(op.gradX),
    optional(op.gradWeights),
    optional(op.gradBias),
    update?.state as Float32Array | Uint16Array | undefined,
    exchange?.statistics,
    result,
    marginArgument(margin),
    settings,
    n,
    d,
    classes,
    d === 0 ? classes : weights.length / (d * centersOf(margin)),
    exchange === undefined ? 0 : exchange.phase === 'forward' ? 1 : 2,
  ];
}

export function headResult(result: Float64Array): MarginSoftmaxResult {
  const [loss, regularizer, first, second] = result as unknown as [number, number, number, number];
  return { loss, regularizer, state: [first, second] };
}

export type HardmaxArguments = [logits: Float32Array, n: number, classes: number, out: Float32Array];
export type HardmaxLossArguments = [
  logits: Float32Array,
  labels: Int32Array,
  n: number,
  classes: number,
  hinge: boolean,
  margin: number,
  reduction: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradLogits: Float32Array | undefined,
];

export function hardmaxLossArguments(op: HardmaxLossOp, loss: Float64Array): HardmaxLossArguments {
  const { labels, n, classes, margin } = op;
  const [logits, perExample, gradLogits] = [op.logits, op.perExample, op.gradLogits] as [
    Float32Array,
    Float32Array,
    Float32Array | undefined,
  ];
  return [
    logits,
    labels,
    n,
    classes,
    margin !== undefined,
    margin ?? 0,
    softmaxReductions.indexOf(op.reduction),
    loss,
    perExample,
    gradLogits,
  ];
}

export function softmaxArguments({ logits, n, classes, temperature, out }: SoftmaxOp): SoftmaxArguments {
  return [logits as Float32Array, undefined, n, classes, temperature, out as Float32Array];
}

export function softmaxGradientArguments({ logits, n, classes, temperature, gradOutput, gradLogits }: SoftmaxGradientOp): SoftmaxArguments {
  return [logits as Float32Array, gradOutput as Float32Array, n, classes, temperature, gradLogits as Float32Array];
}

export function crossEntropyArguments(op: SoftmaxCrossEntropyOp, loss: Float64Array): CrossEntropyArguments {
  const { labels, n, classes, labelSmoothing, ignoreIndex } = op;
  const [classWeights, gradOutput, gradLogits] = [optional(op.classWeights), optional(op.gradOutput), optional(op.gradLogits)];
  const reduction = softmaxReductions.indexOf(op.reduction);
  const perExample = op.perExample as Float32Array;
  const logits = op.logits as Float32Array;
  return [logits, labels, classWeights, gradOutput, n, classes, reduction, labelSmoothing, ignoreIndex, loss, perExample, gradLogits];
}
