// A head whose weights never become tensors: they lie in the head's own memory, its fused step moves them there, and only embeddings
// and their gradient cross.
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { checkOptions } from '../../checks.js';
import { describe, failure } from '../../errors.js';
import type { ClassifierHead, ForwardBackwardResult, StepResult } from '../../index.js';
import { recorded, recording, splitOptions } from './operation.js';
import { isTensor, labelsOf, matrixOf, type TensorLabels } from './tensors.js';

export interface HeadLossOptions {
  /** In place of the optimizer's, for schedules; > 0. */
  readonly learningRate?: number;
  /** Gets the result of the step, or, where nothing is trained, of `head.forwardBackward`; its gradients are for reading only. */
  readonly onResult?: (result: StepResult | ForwardBackwardResult) => void;
}

/**
 * The loss of a `ClassifierHead` on x [B, D], with its gradient to x. Where tfjs records gradients (in `minimize`, `variableGrads`, `model.fit`) the call
 * is a step: the head's own optimizer moves its weights, whatever the loss is multiplied by afterwards. Elsewhere, as in
 * `model.evaluate`, nothing moves, at the cost of `head.forwardBackward`.
 * @throws what `ClassifierHead.step` throws; ERR_TYPE and ERR_SHAPE for a tensor of another type or rank, ERR_DETACHED for a disposed one
 */
export function headLoss(head: ClassifierHead, x: Tensor, labels: TensorLabels, options: HeadLossOptions = {}): Scalar {
  if (typeof (head as Partial<ClassifierHead> | undefined)?.step !== 'function')
    throw failure('ERR_TYPE', 'head', 'a ClassifierHead', describe(head));
  const { onResult, rest } = splitOptions(options);
  const stepOptions = checkOptions(rest, ['learningRate']);
  const embeddings = matrixOf('x', x);
  if (!isTensor(x)) throw failure('ERR_TYPE', 'x', 'a tensor', 'a constant, which a head alone can train on');
  const numbers = labelsOf('labels', labels);
  const training = recording();
  const result = training ? head.step(embeddings, numbers, stepOptions) : head.forwardBackward(embeddings, numbers);
  onResult?.(result as never);
  return recorded(result.loss, [x], [result.gradEmbeddings]);
}
