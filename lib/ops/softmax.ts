import type { Margin } from '../margins/types.js';
import type { Values } from './types.js';

export const softmaxReductions = ['mean', 'sum', 'none'] as const;
/** How the losses of the rows become one: `mean`, `sum`, or `none`, which weighs them by `gradOutput`. */
export type SoftmaxReduction = (typeof softmaxReductions)[number];

/** What every softmax loss shares. */
export interface ClassificationOp {
  readonly labels: Int32Array;
  readonly n: number;
  readonly classes: number;
  readonly reduction: SoftmaxReduction;
  readonly labelSmoothing: number;
  /** Rows with this label count nowhere. */
  readonly ignoreIndex: number;
  readonly classWeights?: Values | undefined;
  /** Upstream gradient per example, for reduction 'none'; absent means ones. */
  readonly gradOutput?: Values | undefined;
  readonly perExample: Values;
}

export interface SoftmaxOp {
  readonly logits: Values;
  readonly n: number;
  readonly classes: number;
  readonly temperature: number;
  readonly out: Values;
}

export interface SoftmaxGradientOp extends Omit<SoftmaxOp, 'out'> {
  readonly gradOutput: Values;
  readonly gradLogits: Values;
}

export interface SoftmaxCrossEntropyOp extends ClassificationOp {
  readonly logits: Values;
  readonly gradLogits?: Values | undefined;
}

/** How an op moves the weights in place of returning their gradient g, in float32 whatever they are stored as. */
export interface SgdUpdate {
  readonly kind: 'sgd';
  /** g ← g + weightDecay·w; state ← momentum·state + g; w ← w − learningRate·state. As PyTorch's, without dampening. */
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}
export interface AdaGradUpdate {
  readonly kind: 'adaGrad';
  /** g ← g + weightDecay·w; state ← state + g²; w ← w − learningRate·g / (√state + eps). */
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly eps: number;
}
export interface WeightUpdate {
  readonly rule: SgdUpdate | AdaGradUpdate;
  /** Shaped and typed as the weights; absent for sgd without momentum. */
  readonly state?: Values | Uint16Array | undefined;
  /**
   * How bfloat16 is rounded: to nearest even where absent, else stochastically: 16 bits of `roundingNoise(seed, index in the array)` are added to
   * the low half of the float32 before it is cut off, the noise's low bits for weights and its high bits for state. A step uses the state before rounding.
   */
  readonly seed?: number | undefined;
}

/**
 * What shards of one head must agree on between the forward and the backward pass. For losses that are a softmax, but for curricularFace, and
 * without class weights; `ignoreIndex` is not `elsewhere`. Each shard gives the whole loss and its own part of gradX; what acts along ‖x‖
 * (magFace's regulariser too) comes from the shard that has the row's class.
 */
export interface Exchange {
  /** `forward` fills `statistics` and `logits`, nothing else; `backward` reads them, by then of all shards, and gives loss and gradients. */
  readonly phase: 'forward' | 'backward';
  /**
   * [n, 4]: greatest logit of the other classes (−∞ for none), Σ exp(logit − greatest) over them, Σ (greatest − logit) over them for label smoothing,
   * and the target's logit after its margin: NaN where another shard has the class, which the label `elsewhere` says.
   */
  readonly statistics: Float64Array;
  /** Classes of all shards. */
  readonly allClasses: number;
}

/** Label of a row whose class belongs to another shard. */
export const elsewhere = -1;

/**
 * A linear layer whose logits may carry a margin, then softmax cross-entropy, or a loss of each class by itself for sphereFace2 and p2sGrad.
 * `perExample` is the row's loss (there the sum over the classes), before lossWeight/s of sphereFaceR, lossWeight/r of sphereFace2, 1/C of p2sGrad
 * and the regulariser. Statistics of the batch are those of the rows that are not ignored.
 */
export interface MarginSoftmaxOp extends ClassificationOp {
  readonly x: Values;
  /** [classes·k, d] where the margin has k sub-centers, else k = 1; bfloat16 with `update` only. */
  readonly weights: Values | Uint16Array;
  /** Ascending: `weights` holds more classes than take part, and class c here is class `rows[c]` there. */
  readonly rows?: Int32Array | undefined;
  /** [classes] for the margin `softmax`, [1] for `sphereFace2`, absent for others. */
  readonly bias?: Values | undefined;
  readonly d: number;
  readonly margin: Margin;
  /** Scratch memory that may be kept between the passes, in bytes. */
  readonly workspaceBytes: number;
  /** What enters the softmax, [n, classes]. */
  readonly logits?: Values | undefined;
  readonly gradX?: Values | undefined;
  /** [classes·k, d] */
  readonly gradWeights?: Values | undefined;
  readonly gradBias?: Values | undefined;
  /** Instead of `gradWeights`. */
  readonly update?: WeightUpdate | undefined;
  readonly exchange?: Exchange | undefined;
}

export interface MarginSoftmaxResult {
  readonly loss: number;
  /** The part of the loss that magFace's regulariser makes, before lambdaG: reduced as the loss, without class weights. 0 for others. */
  readonly regularizer: number;
  /** What the next batch starts from: `batchMean, batchStd` of adaFace, `t` of curricularFace, else 0. */
  readonly state: readonly [number, number];
}

export interface HardmaxOp {
  readonly logits: Values;
  readonly n: number;
  readonly classes: number;
  readonly out: Values;
}

/** margin absent: max_j z_j − z_y; present: [max_{j≠y} z_j − z_y + margin]₊. */
export interface HardmaxLossOp {
  readonly logits: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly classes: number;
  readonly margin?: number | undefined;
  readonly reduction: SoftmaxReduction;
  readonly perExample: Values;
  readonly gradLogits?: Values | undefined;
}

export interface SoftmaxOps {
  softmax(op: SoftmaxOp): void;
  softmaxGradient(op: SoftmaxGradientOp): void;
  softmaxCrossEntropy(op: SoftmaxCrossEntropyOp): number;
  marginSoftmax(op: MarginSoftmaxOp): MarginSoftmaxResult;
  hardmax(op: HardmaxOp): void;
  hardmaxLoss(op: HardmaxLossOp): number;
}
