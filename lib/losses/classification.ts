// What every softmax loss takes and checks alike.
import { checkChoice, checkInteger, checkLabels, checkNumber, checkVector, type Labels } from '../checks.js';
import { failure } from '../errors.js';
import { type ClassificationOp, type SoftmaxReduction, softmaxReductions } from '../ops/softmax.js';

/** Options that all softmax losses share. */
export interface ClassificationOptions {
  /**
   * `mean` (default) divides by the summed class weights of the rows that count, as PyTorch does; `sum`; `none` makes
   * `loss` the sum of perExample · gradOutput. `loss` is always the quantity whose gradient is returned.
   */
  readonly reduction?: SoftmaxReduction;
  /** ε in [0, 1], default 0: the target's share 1 − ε, the rest spread over all classes. */
  readonly labelSmoothing?: number;
  /** Rows with this label have loss 0 and gradient 0. Default −100. A batch of nothing else has loss 0. */
  readonly ignoreIndex?: number;
  /** One non-negative weight per class. */
  readonly classWeights?: Float32Array;
  /** With `reduction: 'none'`: upstream gradient, one per example. Default ones. */
  readonly gradOutput?: Float32Array;
  /** `false` skips the backward pass, and the result has no gradients. Default true. */
  readonly gradients?: boolean;
}

export const classificationOptions = [
  'reduction',
  'labelSmoothing',
  'ignoreIndex',
  'classWeights',
  'gradOutput',
  'gradients',
  'out',
] as const;

export function resolveClassification(labels: Labels, n: number, classes: number, options: ClassificationOptions): ClassificationOp {
  const reduction = checkChoice('options.reduction', options.reduction ?? 'mean', softmaxReductions);
  const labelSmoothing = checkNumber('options.labelSmoothing', options.labelSmoothing ?? 0, { min: 0, max: 1 });
  const ignoreIndex = checkInteger('options.ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), 2 ** 31 - 1);
  const { classWeights, gradOutput } = options;
  if (classWeights !== undefined) {
    checkVector('options.classWeights', classWeights, classes);
    const bad = classWeights.findIndex((w) => !(w >= 0 && w < Infinity));
    if (bad >= 0)
      throw failure('ERR_OPTION_RANGE', `options.classWeights[${bad}]`, 'a finite weight of at least 0', String(classWeights[bad]));
  }
  if (gradOutput !== undefined) {
    if (reduction !== 'none') throw failure('ERR_OPTION_RANGE', 'options.gradOutput', "reduction 'none' beside it", `'${reduction}'`);
    checkVector('options.gradOutput', gradOutput, n);
  }
  const checked = checkLabels('labels', labels, n, { classes, ignoreIndex });
  const perExample = new Float32Array(n);
  return { labels: checked, n, classes, reduction, labelSmoothing, ignoreIndex, classWeights, gradOutput, perExample };
}
