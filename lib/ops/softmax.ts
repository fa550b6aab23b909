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

export interface LinearCrossEntropyOp extends ClassificationOp {
  readonly x: Values;
  readonly weights: Values;
  readonly bias?: Values | undefined;
  readonly d: number;
  readonly logits?: Values | undefined;
  readonly gradX?: Values | undefined;
  readonly gradWeights?: Values | undefined;
  readonly gradBias?: Values | undefined;
}

export interface MarginSoftmaxOp extends ClassificationOp {
  readonly x: Values;
  readonly weights: Values;
  readonly d: number;
  readonly margin: Margin;
  readonly logits?: Values | undefined;
  readonly gradX?: Values | undefined;
  readonly gradWeights?: Values | undefined;
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
  linearCrossEntropy(op: LinearCrossEntropyOp): number;
  marginSoftmax(op: MarginSoftmaxOp): number;
  hardmax(op: HardmaxOp): void;
  hardmaxLoss(op: HardmaxLossOp): number;
}
