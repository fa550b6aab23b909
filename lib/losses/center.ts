import { backend } from '../backend.js';
import { checkBoolean, checkChoice, checkLabels, checkMatrix, checkMemory, checkOptions, checkOut, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type CenterLossOp, type CenterReduction, centerReductions } from '../ops/centers.js';
import { type Backward, type GradientOptions, gradientOutput, type OptionalGradients, present } from './outputs.js';

export interface CenterLossOptions extends GradientOptions<'gradEmbeddings' | 'gradCenters'> {
  /** Of q = Σ‖x_i − c_{y_i}‖²: `halfMean` q/2B (default; the authors' Caffe layer), `halfSum` q/2 (the paper), `mean` q/B. */
  readonly reduction?: CenterReduction;
  /**
   * Also return the plain gradient to the centers, for those who train them by an optimiser. Default: whether `out.gradCenters` is given;
   * without either use `updateCenters`.
   */
  readonly gradCenters?: boolean;
}

export interface CenterLossResult {
  readonly loss: number;
  /** ‖x_i − c_{y_i}‖², [B]. */
  readonly perExample: Float32Array;
  readonly gradEmbeddings: Matrix;
  readonly gradCenters?: Matrix;
}

export const centerLossOptions = ['reduction', 'gradients', 'gradCenters', 'out'] as const;

/** Checks the arguments and lays out the op; `finish` makes the result of the loss. */
export function resolveCenterLoss(x: Matrix, labels: Labels, centers: Matrix, options: CenterLossOptions) {
  x = checkMatrix('x', x);
  centers = checkMatrix('centers', centers, x.shape[1]);
  const { op, ...rest } = resolveLossTo(centers.shape[0], x, labels, { centers }, options);
  return { op: { ...op, centers: centers.data } satisfies CenterLossOp, ...rest };
}

/** The same of x, checked already, for so many centers wherever they are; `memory` is what callers have of them. */
export function resolveLossTo(
  classes: number,
  x: Matrix,
  labels: Labels,
  memory: Parameters<typeof checkMemory>[1],
  options: CenterLossOptions,
) {
  const [n, d] = x.shape;
  options = checkOptions(options, centerLossOptions);
  const out = checkOut(options.out, ['gradEmbeddings', 'gradCenters']);
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const toCenters = checkBoolean('options.gradCenters', options.gradCenters ?? out.gradCenters !== undefined);
  const gradEmbeddings = gradientOutput('gradEmbeddings', out.gradEmbeddings, wanted, n, d);
  const gradCenters = gradientOutput('gradCenters', out.gradCenters, wanted && toCenters, classes, d);
  const reduction = checkChoice('options.reduction', options.reduction ?? 'halfMean', centerReductions);
  const checked = checkLabels('labels', labels, n, { classes });
  checkMemory({ 'options.out.gradEmbeddings': gradEmbeddings, 'options.out.gradCenters': gradCenters }, { x, labels: checked, ...memory });
  const perExample = new Float32Array(n);
  const op: Omit<CenterLossOp, 'centers'> = {
    x: x.data,
    labels: checked,
    n,
    d,
    classes,
    reduction,
    perExample,
    gradX: gradEmbeddings?.data,
    gradCenters: gradCenters?.data,
  };
  const finish = (loss: number): OptionalGradients<CenterLossResult> => ({ loss, perExample, ...present({ gradEmbeddings, gradCenters }) });
  return { op, finish, gradEmbeddings, gradCenters, given: out };
}

/**
 * Center loss (Wen et al., ECCV 2016, eq. 2): the squared distance of every embedding to its class's center. Add it, times a weight
 * such as 0.003, to a softmax loss, and move the centers with `updateCenters` after each step.
 * @param x embeddings [B, D]
 * @param labels [B] integers in [0, C)
 * @param centers [C, D]
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function centerLoss(x: Matrix, labels: Labels, centers: Matrix, options?: CenterLossOptions & Backward): CenterLossResult;
export function centerLoss(x: Matrix, labels: Labels, centers: Matrix, options?: CenterLossOptions): OptionalGradients<CenterLossResult>;
export function centerLoss(
  x: Matrix,
  labels: Labels,
  centers: Matrix,
  options: CenterLossOptions = {},
): OptionalGradients<CenterLossResult> {
  const { op, finish } = resolveCenterLoss(x, labels, centers, options);
  return finish(backend().centerLoss(op));
}
