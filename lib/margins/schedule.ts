import { checkInteger, checkNumber, checkOptions } from '../checks.js';

export interface LambdaScheduleOptions {
  /** Value at iteration 0, ≥ 0, default 1000. */
  readonly base?: number;
  /** Decay per iteration, ≥ 0, default 0.12. */
  readonly gamma?: number;
  /** Exponent, ≥ 0, default 1. */
  readonly power?: number;
  /** Floor, ≥ 0, default 5: SphereFace's; L-Softmax anneals to 0. */
  readonly lambdaMin?: number;
}

/**
 * λ = max(lambdaMin, base·(1 + gamma·iteration)^(−power)), the schedule of the L-Softmax and SphereFace Caffe layers. Those
 * count forward passes from 1; count optimiser steps instead, so that gradient accumulation does not anneal faster.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function annealedLambda(iteration: number, options: LambdaScheduleOptions = {}): number {
  checkInteger('iteration', iteration, 0);
  options = checkOptions(options, ['base', 'gamma', 'power', 'lambdaMin']);
  const base = checkNumber('options.base', options.base ?? 1000, { min: 0 });
  const gamma = checkNumber('options.gamma', options.gamma ?? 0.12, { min: 0 });
  const power = checkNumber('options.power', options.power ?? 1, { min: 0 });
  const lambdaMin = checkNumber('options.lambdaMin', options.lambdaMin ?? 5, { min: 0 });
  return Math.max(lambdaMin, base * (1 + gamma * iteration) ** -power);
}
