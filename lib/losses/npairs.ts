import { backend } from '../backend.js';
import { checkBoolean, checkMatrix, checkMatrixOf, checkMemory, checkNumber, checkOptions } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type Backward, type GradientOptions, gradientOutputs, type OptionalGradients, present } from './outputs.js';

export interface NPairsLossOptions extends GradientOptions<'gradAnchors' | 'gradPositives'> {
  /** Compare unit rows, default false as in the paper; pytorch-metric-learning's default is true. */
  readonly normalize?: boolean;
  /** Weight of mean‖a‖² + mean‖p‖² over the rows as given, at least 0, default 0. TensorFlow's `reg_lambda` of 0.002 is 0.0005 here: it takes a quarter. */
  readonly l2Reg?: number;
}

export interface NPairsLossResult {
  readonly loss: number;
  /** Cross-entropy of each anchor, [N], without the regulariser. */
  readonly perExample: Float32Array;
  readonly gradAnchors: Matrix;
  readonly gradPositives: Matrix;
}

/**
 * N-pairs loss (Sohn, NIPS 2016, N-pair-mc): the mean over the rows of −log(e^{a_i·p_i} / Σ_j e^{a_i·p_j}), plus `l2Reg`·(mean‖a‖² + mean‖p‖²), one pair of
 * rows a class. Equals pytorch-metric-learning's `NPairsLoss` on the pairs that it picks, one of each class. One pair, or none, has only the
 * regulariser. Time O(N²·D), memory O(N·D).
 * @param anchors [N, D], each of a class of its own
 * @param positives [N, D], row i of the class of anchor i
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS
 */
export function nPairsLoss(anchors: Matrix, positives: Matrix, options?: NPairsLossOptions & Backward): NPairsLossResult;
export function nPairsLoss(anchors: Matrix, positives: Matrix, options?: NPairsLossOptions): OptionalGradients<NPairsLossResult>;
export function nPairsLoss(anchors: Matrix, positives: Matrix, options: NPairsLossOptions = {}): OptionalGradients<NPairsLossResult> {
  anchors = checkMatrix('anchors', anchors);
  const [n, d] = anchors.shape;
  positives = checkMatrixOf('positives', positives, n, d);
  options = checkOptions(options, ['normalize', 'l2Reg', 'gradients', 'out']);
  const { gradients, memory } = gradientOutputs(options, { gradAnchors: [n, d], gradPositives: [n, d] });
  const normalize = checkBoolean('options.normalize', options.normalize ?? false);
  const l2Reg = checkNumber('options.l2Reg', options.l2Reg ?? 0, { min: 0 });
  checkMemory(memory, { anchors, positives });
  const perExample = new Float32Array(n);
  const [gradAnchors, gradPositives] = [gradients.gradAnchors?.data, gradients.gradPositives?.data];
  const op = { anchors: anchors.data, positives: positives.data, n, d, normalize, l2Reg, perExample, gradAnchors, gradPositives };
  return { loss: backend().nPairsLoss(op), perExample, ...present(gradients) };
}
