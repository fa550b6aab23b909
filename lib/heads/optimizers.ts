// How a head's own step moves its weights. An optimizer is data, as a margin is; its arithmetic is fused into the backend's step.
import { checkNumber, checkOptions } from '../checks.js';
import { failure } from '../errors.js';
import { remakeBy } from '../remake.js';

export interface SgdOptions {
  /** > 0, default 0.1. */
  readonly learningRate?: number;
  /** In [0, 1), default 0.9; 0 needs no state. */
  readonly momentum?: number;
  /** ≥ 0, default 0; of the weights as they are, not decoupled. */
  readonly weightDecay?: number;
}

export interface Sgd {
  readonly kind: 'sgd';
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * Stochastic gradient descent as PyTorch's `SGD` without dampening: g ← g + weightDecay·w, v ← momentum·v + g, w ← w − learningRate·v.
 * insightface trains its heads with learningRate 0.1, momentum 0.9, weightDecay 5e-4.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function sgd(options: SgdOptions = {}): Sgd {
  options = checkOptions(options, ['learningRate', 'momentum', 'weightDecay']);
  const learningRate = checkLearningRate(options.learningRate ?? 0.1);
  const momentum = checkNumber('options.momentum', options.momentum ?? 0.9, { min: 0, max: 1 });
  if (momentum === 1) throw failure('ERR_OPTION_RANGE', 'options.momentum', 'a number in [0, 1)', '1');
  const weightDecay = checkNumber('options.weightDecay', options.weightDecay ?? 0, { min: 0 });
  return Object.freeze({ kind: 'sgd', learningRate, momentum, weightDecay });
}

export interface AdaGradOptions {
  /** > 0, default 0.1. */
  readonly learningRate?: number;
  /** ≥ 1e-37, so that float32 holds it; default 1e-10. */
  readonly eps?: number;
  /** ≥ 0, default 0. */
  readonly weightDecay?: number;
}

export interface AdaGrad {
  readonly kind: 'adaGrad';
  readonly learningRate: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/**
 * AdaGrad (Duchi et al. 2011) as PyTorch's `Adagrad`: g ← g + weightDecay·w, a ← a + g², w ← w − learningRate·g / (√a + eps).
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function adaGrad(options: AdaGradOptions = {}): AdaGrad {
  options = checkOptions(options, ['learningRate', 'eps', 'weightDecay']);
  const learningRate = checkLearningRate(options.learningRate ?? 0.1);
  const eps = checkNumber('options.eps', options.eps ?? 1e-10, { min: 1e-37 });
  const weightDecay = checkNumber('options.weightDecay', options.weightDecay ?? 0, { min: 0 });
  return Object.freeze({ kind: 'adaGrad', learningRate, eps, weightDecay });
}

export type Optimizer = Sgd | AdaGrad;

export function checkLearningRate(value: unknown): number {
  return checkNumber('options.learningRate', value, { min: 0, exclusive: true });
}

/** The optimizer as its own factory makes it. */
export function remakeOptimizer(optimizer: Optimizer): Optimizer {
  return remakeBy<Optimizer>({ sgd, adaGrad }, optimizer, 'options.optimizer', 'an optimizer such as sgd()');
}

/** Whether the optimizer keeps a number for every weight. */
export function hasMoments(optimizer: Optimizer): boolean {
  return optimizer.kind === 'adaGrad' || optimizer.momentum > 0;
}
