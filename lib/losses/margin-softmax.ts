import { backend } from '../backend.js';
import { checkMatrix, checkMemory, checkOptions, checkVector, type Labels } from '../checks.js';
import { failure } from '../errors.js';
import { centersOf, columnMargin, movedOn } from '../margins/columns.js';
import { remake } from '../margins/index.js';
import type { Margin } from '../margins/types.js';
import type { Matrix } from '../matrix.js';
import type { MarginSoftmaxResult as OpResult } from '../ops/softmax.js';
import { resolveClassification } from './classification.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';
import { headOp, headOptions, headOutputs, type LinearCrossEntropyOptions, memoryOf } from './softmax.js';

export interface MarginSoftmaxOptions extends LinearCrossEntropyOptions {
  /**
   * What happens to the logits: `softmaxMargin()`, `normalizedSoftmax()`, `lSoftmax()`, `aSoftmax()`, `cosFace()`, `arcFace()`, `combinedMargin()`,
   * `sphereFaceR()`, `sphereFace2()`, `adaFace()`, `magFace()`, `curricularFace()`, `subCenters(k, margin)`, `softTriple()`, `p2sGrad()`.
   */
  readonly margin: Margin;
  /** Added to the logits: [C] with `softmaxMargin()`, [1] with `sphereFace2()`, refused with others. Asks for `gradBias`. */
  readonly bias?: Float32Array;
}

export interface MarginSoftmaxResult {
  /**
   * `perExample` reduced, times lossWeight/s of `sphereFaceR`, lossWeight/r of `sphereFace2` or 1/C of `p2sGrad`, plus lambdaG·`regularizer` of
   * `magFace`.
   */
  readonly loss: number;
  /** Cross-entropy of each row, [B]; with `sphereFace2` and `p2sGrad` the sum of the row's terms over the classes. */
  readonly perExample: Float32Array;
  /**
   * The margin for the next batch: with its statistics moved on for `adaFace` and `curricularFace`, inside `subCenters` too, else
   * `options.margin` itself.
   */
  readonly margin: Margin;
  /** With `magFace` only, inside `subCenters` too: a/uA² + 1/a of the rows that count, reduced as the loss, without class weights. */
  readonly regularizer?: number;
  /** What enters the softmax, or the row's terms, [B, C]; with `logits: true` only. */
  readonly logits?: Matrix;
  /** ∂loss/∂x, [B, D], through the normalisation where the margin has one. */
  readonly gradEmbeddings: Matrix;
  /** ∂loss/∂w, shaped as the weights, for the weights as given (not normalised). */
  readonly gradWeights: Matrix;
  /** ∂loss/∂bias, as long as it; with `bias` only. */
  readonly gradBias?: Float32Array;
}

/**
 * Cross-entropy over a linear layer whose logits carry a margin. Never holds batch × classes.
 * A row or a class of zeros has cosine 0 with everything. Its gradient is 0 where the margin divides by its length, and finite in any case.
 * @param x embeddings [B, D], not normalised: the margin normalises what its paper does
 * @param weights one row per class, [C, D]; k rows, [C·k, D], class by class, for `subCenters` and `softTriple`
 * @param labels [B] integers in [0, C), or `ignoreIndex`
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE (naming the row), ERR_ALIAS. `labelSmoothing` and `classWeights` beside `sphereFace2`
 * and `p2sGrad`, which have no softmax, are ERR_OPTION_RANGE
 */
export function marginSoftmax(x: Matrix, weights: Matrix, labels: Labels, options: MarginSoftmaxOptions & Backward): MarginSoftmaxResult;
export function marginSoftmax(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: MarginSoftmaxOptions,
): OptionalGradients<MarginSoftmaxResult>;
export function marginSoftmax(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: MarginSoftmaxOptions,
): OptionalGradients<MarginSoftmaxResult> {
  const { op, finish } = resolveMarginSoftmax(x, weights, labels, options);
  return finish(backend().marginSoftmax(op));
}

export const marginSoftmaxOptions = [...headOptions, 'margin'] as const;

/** Checks the arguments and lays out the op; `finish` makes the result of the op's. */
export function resolveMarginSoftmax(x: Matrix, weights: Matrix, labels: Labels, options: MarginSoftmaxOptions) {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  weights = checkMatrix('weights', weights, d);
  options = checkOptions(options, marginSoftmaxOptions);
  const given = options.margin;
  const margin = remake(given);
  const k = centersOf(margin);
  const classes = weights.shape[0] / k;
  if (!Number.isInteger(classes)) throw failure('ERR_SHAPE', 'weights', `a multiple of k = ${k} rows`, `${weights.shape[0]}`);
  const bias = checkBias(margin, options.bias, classes);
  checkEntryLoss(margin, options);
  const head = headOutputs(options, n, d, classes, k);
  const labelled = resolveClassification(labels, n, classes, options);
  checkMemory(head.memory, { x, weights, 'options.bias': bias, ...memoryOf(labelled) });
  const { op, finish } = headOp(head, { ...labelled, x: x.data, weights: weights.data, bias, d, margin });
  const result = ({ loss, regularizer, state }: OpResult): OptionalGradients<MarginSoftmaxResult> => ({
    loss,
    margin: movedOn(margin, state) ?? given,
    ...present({ regularizer: columnMargin(margin).kind === 'magFace' ? regularizer : undefined }),
    ...finish(),
  });
  return { op, finish: result, head };
}

function checkBias(margin: Margin, bias: Float32Array | undefined, classes: number): Float32Array | undefined {
  if (bias === undefined) return undefined;
  if (margin.kind === 'softmax') return checkVector('options.bias', bias, classes);
  if (margin.kind === 'sphereFace2') return checkVector('options.bias', bias, 1);
  throw failure('ERR_OPTION_RANGE', 'options.bias', `none beside the margin '${margin.kind}'`, 'a bias');
}

function checkEntryLoss({ kind }: Margin, { labelSmoothing, classWeights }: MarginSoftmaxOptions): void {
  if (kind !== 'sphereFace2' && kind !== 'p2sGrad') return;
  const expected = `none beside the margin '${kind}', which has no softmax`;
  if (labelSmoothing) throw failure('ERR_OPTION_RANGE', 'options.labelSmoothing', expected, String(labelSmoothing));
  if (classWeights !== undefined) throw failure('ERR_OPTION_RANGE', 'options.classWeights', expected, 'class weights');
}
