// The losses of hypersphere/promises.
import type { Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type Abortable, floats, gradientOffLoop, run, splitSignal, stable } from '../off-loop.js';
import type { MarginSoftmaxOp, MarginSoftmaxResult as OpResult } from '../ops/softmax.js';
import type { Values } from '../ops/types.js';
import { type CenterLossOptions, type CenterLossResult, centerLossOptions, resolveCenterLoss } from './center.js';
import { classificationOptions } from './classification.js';
import { type MarginSoftmaxOptions, type MarginSoftmaxResult, marginSoftmaxOptions, resolveMarginSoftmax } from './margin-softmax.js';
import type { Backward, OptionalGradients } from './outputs.js';
import {
  type Head,
  headOptions,
  type LinearCrossEntropyOptions,
  type LinearCrossEntropyResult,
  resolveLinearCrossEntropy,
  resolveSoftmaxCrossEntropy,
  type SoftmaxCrossEntropyOptions,
  type SoftmaxCrossEntropyResult,
} from './softmax.js';

/**
 * `centerLoss` off the event loop. On the TypeScript backend it runs on the loop, in a later turn. Labels are copied at the call.
 * Centers in ordinary memory are copied too, which takes O(C·D): keep large ones in memory of `alloc`.
 * Rejects with what the synchronous `centerLoss` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when an
 * `out` was detached meanwhile, and with `signal.reason`.
 */
export async function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options?: CenterLossOptions & Backward & Abortable,
): Promise<CenterLossResult>;
export async function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options?: CenterLossOptions & Abortable,
): Promise<OptionalGradients<CenterLossResult>>;
export async function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options: CenterLossOptions & Abortable = {},
): Promise<OptionalGradients<CenterLossResult>> {
  const { signal, rest } = splitSignal(options, centerLossOptions);
  const { op, finish, gradEmbeddings, gradCenters, given } = resolveCenterLoss(x, labels, centers, rest);
  const toX = gradientOffLoop('gradEmbeddings', given.gradEmbeddings, gradEmbeddings);
  const toCenters = gradientOffLoop('gradCenters', given.gradCenters, gradCenters);
  const inputs = { x: stable('x', floats(op.x)), labels: op.labels.slice(), centers: stable('centers', floats(op.centers)) };
  const loss = await run('centerLoss', { ...op, ...inputs, gradX: toX.memory, gradCenters: toCenters.memory }, signal);
  toX.deliver();
  toCenters.deliver();
  return finish(loss);
}

const optional = (name: string, values: Values | undefined): Float32Array | undefined => values && stable(name, floats(values));

/** What every classification op reads besides its matrices. */
function stableInputs({ labels, classWeights, gradOutput }: Pick<MarginSoftmaxOp, 'labels' | 'classWeights' | 'gradOutput'>) {
  return {
    labels: labels.slice(),
    classWeights: optional('options.classWeights', classWeights),
    gradOutput: optional('options.gradOutput', gradOutput),
  };
}

/**
 * `softmaxCrossEntropy` off the event loop. On the TypeScript backend it runs on the loop, in a later turn. Labels are copied at the call.
 * Rejects with what the synchronous `softmaxCrossEntropy` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when
 * an `out` was detached meanwhile, and with `signal.reason`.
 */
export async function softmaxCrossEntropy(
  logits: Matrix,
  labels: Labels,
  options?: SoftmaxCrossEntropyOptions & Backward & Abortable,
): Promise<SoftmaxCrossEntropyResult>;
export async function softmaxCrossEntropy(
  logits: Matrix,
  labels: Labels,
  options?: SoftmaxCrossEntropyOptions & Abortable,
): Promise<OptionalGradients<SoftmaxCrossEntropyResult>>;
export async function softmaxCrossEntropy(
  logits: Matrix,
  labels: Labels,
  options: SoftmaxCrossEntropyOptions & Abortable = {},
): Promise<OptionalGradients<SoftmaxCrossEntropyResult>> {
  const { signal, rest } = splitSignal(options, classificationOptions);
  const { op, finish, gradLogits, given } = resolveSoftmaxCrossEntropy(logits, labels, rest);
  const toLogits = gradientOffLoop('gradLogits', given.gradLogits, gradLogits);
  const moved = { ...op, ...stableInputs(op), logits: stable('logits', op.logits), gradLogits: toLogits.memory };
  const loss = await run('softmaxCrossEntropy', moved, signal);
  toLogits.deliver();
  return finish(loss);
}

async function runHead(
  op: MarginSoftmaxOp,
  { gradEmbeddings, gradWeights, given }: Head,
  signal: AbortSignal | undefined,
): Promise<OpResult> {
  const toX = gradientOffLoop('gradEmbeddings', given.gradEmbeddings, gradEmbeddings);
  const toWeights = gradientOffLoop('gradWeights', given.gradWeights, gradWeights);
  const moved = {
    ...op,
    ...stableInputs(op),
    x: stable('x', floats(op.x)),
    weights: stable('weights', op.weights as Float32Array),
    bias: optional('options.bias', op.bias),
    gradX: toX.memory,
    gradWeights: toWeights.memory,
  };
  const result = await run('marginSoftmax', moved, signal);
  toX.deliver();
  toWeights.deliver();
  return result;
}

/**
 * `linearCrossEntropy` off the event loop. On the TypeScript backend it runs on the loop, in a later turn. Labels are copied at the call.
 * Weights in ordinary memory are copied too, which takes O(C·D): keep large ones in memory of `alloc`.
 * Rejects with what the synchronous `linearCrossEntropy` throws, with ERR_TYPE for a growable SharedArrayBuffer, with ERR_DETACHED when
 * an `out` was detached meanwhile, and with `signal.reason`.
 */
export async function linearCrossEntropy(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options?: LinearCrossEntropyOptions & Backward & Abortable,
): Promise<LinearCrossEntropyResult>;
export async function linearCrossEntropy(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options?: LinearCrossEntropyOptions & Abortable,
): Promise<OptionalGradients<LinearCrossEntropyResult>>;
export async function linearCrossEntropy(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: LinearCrossEntropyOptions & Abortable = {},
): Promise<OptionalGradients<LinearCrossEntropyResult>> {
  const { signal, rest } = splitSignal(options, headOptions);
  const { op, finish, head } = resolveLinearCrossEntropy(x, weights, labels, rest);
  return finish(await runHead(op, head, signal));
}

/**
 * `marginSoftmax` off the event loop. On the TypeScript backend it runs on the loop, in a later turn. Labels are copied at the call.
 * Weights in ordinary memory are copied too, which takes O(C·D): keep large ones in memory of `alloc`.
 * Rejects as `linearCrossEntropy` does.
 */
export async function marginSoftmax(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: MarginSoftmaxOptions & Backward & Abortable,
): Promise<MarginSoftmaxResult>;
export async function marginSoftmax(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: MarginSoftmaxOptions & Abortable,
): Promise<OptionalGradients<MarginSoftmaxResult>>;
export async function marginSoftmax(
  x: Matrix,
  weights: Matrix,
  labels: Labels,
  options: MarginSoftmaxOptions & Abortable,
): Promise<OptionalGradients<MarginSoftmaxResult>> {
  const { signal, rest } = splitSignal(options, marginSoftmaxOptions);
  const { op, finish, head } = resolveMarginSoftmax(x, weights, labels, rest);
  return finish(await runHead(op, head, signal));
}
