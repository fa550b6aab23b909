import { backend } from '../backend.js';
import {
  checkBoolean,
  checkMatrix,
  checkMatrixOf,
  checkMemory,
  checkNumber,
  checkOptions,
  checkOut,
  checkVector,
  checkWorkspace,
  type Labels,
} from '../checks.js';
import { outputOf, zeros } from '../fresh.js';
import { softmaxMargin } from '../margins/softmax.js';
import type { Matrix } from '../matrix.js';
import type { MarginSoftmaxOp, MarginSoftmaxResult } from '../ops/softmax.js';
import { type ClassificationOptions, classificationOptions, resolveClassification } from './classification.js';
import { type Backward, gradientOutput, type OptionalGradients, present } from './outputs.js';

export interface SoftmaxOptions {
  /** T > 0, default 1: softmax(z / T). T → 0 approaches `hardmax`. */
  readonly temperature?: number;
  /** [B, C], memory apart from the inputs. */
  readonly out?: Matrix;
}

/**
 * softmax(z / T) of every row, [B, C].
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function softmax(logits: Matrix, options: SoftmaxOptions = {}): Matrix {
  logits = checkMatrix('logits', logits);
  options = checkOptions(options, ['temperature', 'out']);
  const [n, classes] = logits.shape;
  const out = outputOf(options.out, n, classes);
  const temperature = checkNumber('options.temperature', options.temperature ?? 1, { min: 0, max: Infinity, exclusive: true });
  checkMemory({ 'options.out': out }, { logits });
  backend().softmax({ logits: logits.data, n, classes, temperature, out: out.data });
  return options.out ?? out;
}

/**
 * ∂ Σ softmax(z / T)·gradOutput / ∂z, [B, C]. Also the usual straight-through gradient of `hardmax`.
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function softmaxGradient(logits: Matrix, gradOutput: Matrix, options: SoftmaxOptions = {}): Matrix {
  logits = checkMatrix('logits', logits);
  const [n, classes] = logits.shape;
  gradOutput = checkMatrixOf('gradOutput', gradOutput, n, classes);
  options = checkOptions(options, ['temperature', 'out']);
  const out = outputOf(options.out, n, classes);
  const temperature = checkNumber('options.temperature', options.temperature ?? 1, { min: 0, max: Infinity, exclusive: true });
  checkMemory({ 'options.out': out }, { logits, gradOutput });
  backend().softmaxGradient({ logits: logits.data, n, classes, temperature, gradOutput: gradOutput.data, gradLogits: out.data });
  return options.out ?? out;
}

export interface SoftmaxCrossEntropyOptions extends ClassificationOptions {
  /** Your memory for gradients, each of its shape and apart from the inputs; the result then has these. */
  readonly out?: { readonly gradLogits?: Matrix };
}

export interface SoftmaxCrossEntropyResult {
  readonly loss: number;
  /** ℓ_i, [B], before the reduction. */
  readonly perExample: Float32Array;
  /** ∂loss/∂logits, [B, C]. */
  readonly gradLogits: Matrix;
}

/**
 * Softmax cross-entropy on logits [B, C]: ℓ_i = −(1−ε)·v_y·log p_y − (ε/C)·Σ_c v_c·log p_c. Equals PyTorch's
 * `CrossEntropyLoss`, but a batch whose labels are all ignored has loss 0, not NaN. Nothing is clamped: lse − z_y.
 * @param labels [B] integers in [0, C), or `ignoreIndex`
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE (naming the row), ERR_ALIAS
 */
export function softmaxCrossEntropy(
  logits: Matrix,
  labels: Labels,
  options?: SoftmaxCrossEntropyOptions & Backward,
): SoftmaxCrossEntropyResult;
export function softmaxCrossEntropy(
  logits: Matrix,
  labels: Labels,
  options?: SoftmaxCrossEntropyOptions,
): OptionalGradients<SoftmaxCrossEntropyResult>;
export function softmaxCrossEntropy(
  logits: Matrix,
  labels: Labels,
  options: SoftmaxCrossEntropyOptions = {},
): OptionalGradients<SoftmaxCrossEntropyResult> {
  const { op, finish } = resolveSoftmaxCrossEntropy(logits, labels, options);
  return finish(backend().softmaxCrossEntropy(op));
}

/** Checks the arguments and lays out the op; `finish` makes the result of the loss. */
export function resolveSoftmaxCrossEntropy(logits: Matrix, labels: Labels, options: SoftmaxCrossEntropyOptions) {
  logits = checkMatrix('logits', logits);
  options = checkOptions(options, classificationOptions);
  const out = checkOut(options.out, ['gradLogits']);
  const [n, classes] = logits.shape;
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const gradLogits = gradientOutput('gradLogits', out.gradLogits, wanted, n, classes);
  const op = resolveClassification(labels, n, classes, options);
  checkMemory({ 'options.out.gradLogits': gradLogits }, { logits, ...memoryOf(op) });
  const finish = (loss: number): OptionalGradients<SoftmaxCrossEntropyResult> => ({
    loss,
    perExample: op.perExample as Float32Array,
    ...present({ gradLogits }),
  });
  return { op: { ...op, logits: logits.data, gradLogits: gradLogits?.data }, finish, gradLogits, given: out };
}

export interface LinearCrossEntropyOptions extends ClassificationOptions {
  /** [C], added to the logits; asks for `gradBias`. */
  readonly bias?: Float32Array;
  /** `true` also returns the logits [B, C]: the only thing here that grows with batch × classes. */
  readonly logits?: boolean;
  /** Scratch memory that may be kept between the passes, ≥ 1, default 96 MiB; results do not depend on it. The TypeScript backend keeps one row. */
  readonly workspaceBytes?: number;
  /** Your memory for gradients, each of its shape and apart from the inputs; the result then has these. */
  readonly out?: { readonly gradEmbeddings?: Matrix; readonly gradWeights?: Matrix };
}

export interface LinearCrossEntropyResult {
  readonly loss: number;
  /** As that of `softmaxCrossEntropy`. */
  readonly perExample: Float32Array;
  /** [B, C]; with `logits: true` only. */
  readonly logits?: Matrix;
  /** ∂loss/∂x, [B, D]. */
  readonly gradEmbeddings: Matrix;
  /** ∂loss/∂w, [C, D]. */
  readonly gradWeights: Matrix;
  /** ∂loss/∂bias, [C]; with `bias` only. */
  readonly gradBias?: Float32Array;
}

/**
 * Softmax cross-entropy over a linear layer, logits = x·wᵀ + bias, without ever holding batch × classes.
 * @param x embeddings [B, D]
 * @param weights one row per class, [C, D]
 * @param labels [B] integers in [0, C), or `ignoreIndex`
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE (naming the row), ERR_ALIAS
 */
export function linearCrossEntropy(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options?: LinearCrossEntropyOptions & Backward,
): LinearCrossEntropyResult;
export function linearCrossEntropy(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options?: LinearCrossEntropyOptions,
): OptionalGradients<LinearCrossEntropyResult>;
export function linearCrossEntropy(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: LinearCrossEntropyOptions = {},
): OptionalGradients<LinearCrossEntropyResult> {
  const { op, finish } = resolveLinearCrossEntropy(x, weights, labels, options);
  return finish(backend().marginSoftmax(op));
}

/** Checks the arguments and lays out the op; `finish` makes the result of the op's. */
export function resolveLinearCrossEntropy(x: Matrix, weights: Matrix, labels: Labels, options: LinearCrossEntropyOptions) {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  weights = checkMatrix('weights', weights, d);
  const classes = weights.shape[0];
  options = checkOptions(options, headOptions);
  const { bias } = options;
  if (bias !== undefined) checkVector('options.bias', bias, classes);
  const head = headOutputs(options, n, d, classes);
  const labelled = resolveClassification(labels, n, classes, options);
  checkMemory(head.memory, { x, weights, 'options.bias': bias, ...memoryOf(labelled) });
  const { op, finish } = headOp(head, { ...labelled, x: x.data, weights: weights.data, bias, d, margin: softmaxMargin() });
  return { op, finish: ({ loss }: Scalars): OptionalGradients<LinearCrossEntropyResult> => ({ loss, ...finish() }), head };
}

export const headOptions = [...classificationOptions, 'bias', 'logits', 'workspaceBytes'] as const;

export type Head = ReturnType<typeof headOutputs>;

/** The outputs of a classification head over x [n, d] and weights [classes·k, d], and what it may use, checked. */
export function headOutputs(options: LinearCrossEntropyOptions, n: number, d: number, classes: number, k = 1) {
  const given = checkOut(options.out, ['gradEmbeddings', 'gradWeights']);
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const withLogits = checkBoolean('options.logits', options.logits ?? false);
  const gradEmbeddings = gradientOutput('gradEmbeddings', given.gradEmbeddings, wanted, n, d);
  const gradWeights = gradientOutput('gradWeights', given.gradWeights, wanted, classes * k, d);
  const workspaceBytes = checkWorkspace(options.workspaceBytes);
  return {
    wanted,
    workspaceBytes,
    logits: withLogits ? zeros(n, classes) : undefined,
    gradEmbeddings,
    gradWeights,
    given,
    memory: { 'options.out.gradEmbeddings': gradEmbeddings, 'options.out.gradWeights': gradWeights },
  };
}

type Scalars = Pick<MarginSoftmaxResult, 'loss'>;
type HeadInputs = Omit<MarginSoftmaxOp, 'workspaceBytes' | 'logits' | 'gradX' | 'gradWeights' | 'gradBias'>;

/** The op on these outputs; `finish` gives those that were asked for. */
export function headOp({ wanted, workspaceBytes, logits, gradEmbeddings, gradWeights }: Head, inputs: HeadInputs) {
  const gradBias = inputs.bias && wanted ? new Float32Array(inputs.bias.length) : undefined;
  const gradients = { gradX: gradEmbeddings?.data, gradWeights: gradWeights?.data, gradBias };
  const op: MarginSoftmaxOp = { ...inputs, workspaceBytes, logits: logits?.data, ...gradients };
  const finish = () => ({
    perExample: inputs.perExample as Float32Array,
    ...present({ logits, gradEmbeddings, gradWeights, gradBias }),
  });
  return { op, finish };
}

/** The caller's memory that a classification op reads, for the aliasing check. */
export function memoryOf(op: { labels: Int32Array; classWeights?: ArrayBufferView | undefined; gradOutput?: ArrayBufferView | undefined }) {
  return { labels: op.labels, 'options.classWeights': op.classWeights, 'options.gradOutput': op.gradOutput };
}
