import { backend } from '../backend.js';
import { checkMatrix, checkMemory, checkOptions, type Labels } from '../checks.js';
import { describe, failure } from '../errors.js';
import { remake } from '../margins/index.js';
import type { Margin } from '../margins/types.js';
import type { Matrix } from '../matrix.js';
import { classificationOptions, resolveClassification } from './classification.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';
import { headOutputs, type LinearCrossEntropyOptions, memoryOf } from './softmax.js';

export interface MarginSoftmaxOptions extends Omit<LinearCrossEntropyOptions, 'bias'> {
  /** What happens to the target's logit: `arcFace()`, `cosFace()`, `lSoftmax()`, `aSoftmax()`, `combinedMargin()`, `normalizedSoftmax()`. */
  readonly margin: Margin;
}

export interface MarginSoftmaxResult {
  readonly loss: number;
  readonly perExample: Float32Array;
  /** What enters the softmax, [B, C]; with `logits: true` only. */
  readonly logits?: Matrix;
  /** ∂loss/∂x, [B, D], through the normalisation where the margin has one. */
  readonly gradEmbeddings: Matrix;
  /** ∂loss/∂w, [C, D], for the weights as given (not normalised). */
  readonly gradWeights: Matrix;
}

/**
 * Softmax cross-entropy whose target logit carries a margin; the other logits stay as they are. Never holds batch × classes.
 * A row or a class of zeros has cosine 0 with everything. Its gradient is 0 where the margin divides by its length, and finite in any case.
 * @param x embeddings [B, D], not normalised: the margin normalises what its paper does
 * @param weights one row per class, [C, D]
 * @param labels [B] integers in [0, C), or `ignoreIndex`
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE (naming the row), ERR_ALIAS
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
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  weights = checkMatrix('weights', weights, d);
  const classes = weights.shape[0];
  options = checkOptions(options, [...classificationOptions, 'margin', 'logits']);
  if (typeof options.margin !== 'object' || options.margin === null) {
    throw failure('ERR_TYPE', 'options.margin', 'a margin such as arcFace()', describe(options.margin));
  }
  const margin = remake(options.margin);
  const head = headOutputs(options, n, d, classes);
  const op = resolveClassification(labels, n, classes, options);
  checkMemory(head.memory, { x, weights, ...memoryOf(op) });
  const { logits, gradEmbeddings, gradWeights } = head;
  const loss = backend().marginSoftmax({
    ...op,
    x: x.data,
    weights: weights.data,
    d,
    margin,
    logits: logits?.data,
    gradX: gradEmbeddings?.data,
    gradWeights: gradWeights?.data,
  });
  return { loss, perExample: op.perExample as Float32Array, ...present({ logits, gradEmbeddings, gradWeights }) };
}
