// "Hardmax" is read three ways in the literature; each has its own name here.
import { backend } from '../backend.js';
import { checkChoice, checkLabels, checkMatrix, checkMemory, checkNumber, checkOptions, type Labels } from '../checks.js';
import { outputOf } from '../fresh.js';
import type { Matrix } from '../matrix.js';
import { type SoftmaxReduction, softmaxReductions } from '../ops/softmax.js';
import { type Backward, type GradientOptions, gradientOutputs, type OptionalGradients, present } from './outputs.js';

/**
 * One-hot argmax of every row, [B, C]; ties go to the lowest index. Its gradient is 0 almost everywhere; the usual
 * straight-through stand-in is `softmaxGradient`.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function hardmax(logits: Matrix, options: { readonly out?: Matrix } = {}): Matrix {
  logits = checkMatrix('logits', logits);
  options = checkOptions(options, ['out']);
  const [n, classes] = logits.shape;
  const out = outputOf(options.out, n, classes);
  checkMemory({ 'options.out': out }, { logits });
  backend().hardmax({ logits: logits.data, n, classes, out: out.data });
  return options.out ?? out;
}

export interface HardmaxLossOptions extends GradientOptions<'gradLogits'> {
  /** Default `mean`; `none` makes `loss` the sum of perExample. */
  readonly reduction?: SoftmaxReduction;
}

export interface HardmaxLossResult {
  readonly loss: number;
  readonly perExample: Float32Array;
  readonly gradLogits: Matrix;
}

export interface HardmaxHingeLossOptions extends HardmaxLossOptions {
  /** At least 0, default 1. */
  readonly margin?: number;
}

const optionNames = ['reduction', 'gradients', 'out'] as const;

/**
 * max_j z_j − z_y: the limit of T·CE(z/T) as T → 0. Subgradient e_argmax − e_y, and 0 where the row is right.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function hardmaxLoss(logits: Matrix, labels: Labels, options?: HardmaxLossOptions & Backward): HardmaxLossResult;
export function hardmaxLoss(logits: Matrix, labels: Labels, options?: HardmaxLossOptions): OptionalGradients<HardmaxLossResult>;
export function hardmaxLoss(logits: Matrix, labels: Labels, options: HardmaxLossOptions = {}): OptionalGradients<HardmaxLossResult> {
  return run(logits, labels, checkOptions(options, optionNames), undefined);
}

/**
 * [max_{j≠y} z_j − z_y + margin]₊, the multi-class hinge of Crammer and Singer 2001.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function hardmaxHingeLoss(logits: Matrix, labels: Labels, options?: HardmaxHingeLossOptions & Backward): HardmaxLossResult;
export function hardmaxHingeLoss(logits: Matrix, labels: Labels, options?: HardmaxHingeLossOptions): OptionalGradients<HardmaxLossResult>;
export function hardmaxHingeLoss(
  logits: Matrix,
  labels: Labels,
  options: HardmaxHingeLossOptions = {},
): OptionalGradients<HardmaxLossResult> {
  options = checkOptions(options, [...optionNames, 'margin']);
  return run(logits, labels, options, checkNumber('options.margin', options.margin ?? 1, { min: 0 }));
}

function run(
  logits: Matrix,
  labels: Labels,
  options: HardmaxLossOptions,
  margin: number | undefined,
): OptionalGradients<HardmaxLossResult> {
  logits = checkMatrix('logits', logits);
  const [n, classes] = logits.shape;
  const { gradients, memory } = gradientOutputs(options, { gradLogits: logits.shape });
  const reduction = checkChoice('options.reduction', options.reduction ?? 'mean', softmaxReductions);
  const checked = checkLabels('labels', labels, n, { classes });
  checkMemory(memory, { logits, labels: checked });
  const gradLogits = gradients.gradLogits?.data;
  const perExample = new Float32Array(n);
  const op = { logits: logits.data, labels: checked, n, classes, margin, reduction, perExample, gradLogits };
  return { loss: backend().hardmaxLoss(op), perExample, ...present(gradients) };
}
