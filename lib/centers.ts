import { backend } from './backend.js';
import { checkLabels, checkMatrix, checkMemory, checkNumber, checkOptions, type Labels } from './checks.js';
import type { Matrix } from './matrix.js';
import type { UpdateCentersOp } from './ops/centers.js';

export interface UpdateCentersOptions {
  /** α in [0, 1], default 0.5 (the paper's). */
  readonly alpha?: number;
}

/**
 * Moves the centers along with the network, in place (Wen et al. 2016, eq. 4): Δ_j = Σ_{y_i=j}(c_j − x_i)/(1 + n_j), c_j ← c_j − αΔ_j.
 * All Δ come from the centers as they were; classes absent from the batch stay as they are. O(B·D) for any number of classes.
 * @param x embeddings [B, D]
 * @param labels [B] integers in [0, C)
 * @param centers [C, D], changed in place and returned
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function updateCenters(x: Matrix, labels: Labels, centers: Matrix, options: UpdateCentersOptions = {}): Matrix {
  backend().updateCenters(resolveUpdate(x, labels, centers, options));
  return centers;
}

/** Checks the arguments and lays out the op. */
export function resolveUpdate(x: Matrix, labels: Labels, centers: Matrix, options: UpdateCentersOptions): UpdateCentersOp {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  centers = checkMatrix('centers', centers, d);
  options = checkOptions(options, ['alpha']);
  const classes = centers.shape[0];
  const alpha = checkNumber('options.alpha', options.alpha ?? 0.5, { min: 0, max: 1 });
  const checked = checkLabels('labels', labels, n, { classes });
  checkMemory({ centers }, { x, labels: checked });
  return { x: x.data, labels: checked, centers: centers.data, n, d, classes, alpha };
}
