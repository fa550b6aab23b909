import { updateCenters } from '../centers.js';
import { checkInteger, checkNumber, checkOptions, type Labels } from '../checks.js';
import { zeros } from '../fresh.js';
import { type CenterLossOptions, type CenterLossResult, centerLoss } from '../losses/center.js';
import type { Backward, OptionalGradients } from '../losses/outputs.js';
import type { Matrix } from '../matrix.js';

export interface CentersOptions {
  /** C, at least 1. */
  readonly classes: number;
  /** D, at least 1. */
  readonly dim: number;
  /** α in [0, 1], default 0.5. */
  readonly alpha?: number;
}

/** The class centers of center loss as an object: they start at zero, as in the authors' code, and move by `update`. */
export class Centers {
  /** [C, D]; yours to read, save and fill. */
  readonly matrix: Matrix;
  readonly alpha: number;

  /** @throws ERR_TYPE, ERR_OPTION_RANGE */
  constructor(options: CentersOptions) {
    options = checkOptions(options, ['classes', 'dim', 'alpha']);
    const classes = checkInteger('options.classes', options.classes, 1);
    const dim = checkInteger('options.dim', options.dim, 1);
    this.alpha = checkNumber('options.alpha', options.alpha ?? 0.5, { min: 0, max: 1 });
    this.matrix = zeros(classes, dim);
  }

  /** `centerLoss` against these centers. */
  loss(x: Matrix, labels: Labels, options?: CenterLossOptions & Backward): CenterLossResult;
  loss(x: Matrix, labels: Labels, options?: CenterLossOptions): OptionalGradients<CenterLossResult>;
  loss(x: Matrix, labels: Labels, options?: CenterLossOptions): OptionalGradients<CenterLossResult> {
    return centerLoss(x, labels, this.matrix, options);
  }

  /** `updateCenters` with this α. */
  update(x: Matrix, labels: Labels): void {
    updateCenters(x, labels, this.matrix, { alpha: this.alpha });
  }
}
