// The declarations name Symbol.dispose, which the default library of many consumers lacks.
/// <reference lib="esnext.disposable" preserve="true" />
import { type Backend, backend, backendOn, checkDevice, type Device } from '../backend.js';
import { resolveUpdate } from '../centers.js';
import { checkInteger, checkLabels, checkMatrix, checkMemory, checkNumber, checkOptions, type Labels } from '../checks.js';
import { failure } from '../errors.js';
import { zeros } from '../fresh.js';
import { type CenterLossOptions, type CenterLossResult, resolveCenterLoss, resolveLossTo } from '../losses/center.js';
import type { Backward, OptionalGradients } from '../losses/outputs.js';
import type { Matrix } from '../matrix.js';
import { LendingRows } from './lending-rows.js';

export interface CentersOptions {
  /** C, at least 1. */
  readonly classes: number;
  /** D, at least 1. */
  readonly dim: number;
  /** α in [0, 1], default 0.5. */
  readonly alpha?: number;
  /**
   * `cuda`: the centers stay in the GPU's memory, whichever backend serves. `cpu`: the CPU computes, whichever serves. Default: they are in
   * the object's own memory and the backend of each call computes.
   */
  readonly device?: Device;
}

/**
 * The class centers of center loss as an object: they start at zero, as in the authors' code, and move by `update`. With `device: 'cuda'` a call sends
 * the batch and fetches its results, and no center crosses but by `matrix`; a GPU without room is ERR_OUT_OF_MEMORY and leaves the centers as
 * they were, a lost one ERR_NO_DEVICE, and they are gone. `dispose()` (or `using`) gives the memory back at once, else it goes with the object.
 */
export class Centers {
  readonly alpha: number;
  #centers: Matrix | LendingRows | undefined;
  readonly #dim: number;
  readonly #device: Device | undefined;

  /** @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY; with a device ERR_NO_DEVICE */
  constructor(options: CentersOptions) {
    options = checkOptions(options, ['classes', 'dim', 'alpha', 'device']);
    const classes = checkInteger('options.classes', options.classes, 1);
    this.#dim = checkInteger('options.dim', options.dim, 1);
    this.alpha = checkNumber('options.alpha', options.alpha ?? 0.5, { min: 0, max: 1 });
    this.#device = checkDevice(options.device);
    const start = zeros(classes, this.#dim);
    this.#centers = this.#device === 'cuda' ? new LendingRows(start.data, undefined, this.#dim) : start;
  }

  /**
   * [C, D]; yours to read, save and fill. With `device: 'cuda'` they are read back when asked for, once between two calls, into an array that is the
   * object's until the next of `loss` or `update`, which takes what you have written back to the device; then it is yours, a copy of what was.
   */
  get matrix(): Matrix {
    const centers = this.#live();
    return centers instanceof LendingRows ? { data: centers.lend() as Float32Array, shape: [centers.count, this.#dim] } : centers;
  }

  /** `centerLoss` against these centers. @throws what that throws, and ERR_DETACHED after `dispose` */
  loss(x: Matrix, labels: Labels, options?: CenterLossOptions & Backward): CenterLossResult;
  loss(x: Matrix, labels: Labels, options?: CenterLossOptions): OptionalGradients<CenterLossResult>;
  loss(x: Matrix, labels: Labels, options: CenterLossOptions = {}): OptionalGradients<CenterLossResult> {
    const centers = this.#live();
    x = checkMatrix('x', x, this.#dim);
    if (!(centers instanceof LendingRows)) {
      const { op, finish } = resolveCenterLoss(x, labels, centers, options);
      return finish(this.#backend().centerLoss(op));
    }
    const { op, finish } = resolveLossTo(centers.count, x, labels, { centers: centers.lent }, options);
    return finish(centers.takenBack((rows) => rows.centerLoss(op)));
  }

  /** `updateCenters` with this α. @throws what that throws, and ERR_DETACHED after `dispose` */
  update(x: Matrix, labels: Labels): void {
    const centers = this.#live();
    const { alpha } = this;
    x = checkMatrix('x', x, this.#dim);
    if (!(centers instanceof LendingRows)) {
      this.#backend().updateCenters(resolveUpdate(x, labels, centers, { alpha }));
      return;
    }
    const [n, d] = x.shape;
    const [classes, { lent }] = [centers.count, centers];
    const checked = checkLabels('labels', labels, n, { classes });
    checkMemory({ centers: lent }, { x, labels: checked });
    centers.takenBack((rows) => rows.updateCenters({ x: x.data, labels: checked, n, d, classes, alpha }));
  }

  /** Gives the memory back; whatever is called after it throws ERR_DETACHED. May be called again. */
  dispose(): void {
    if (this.#centers instanceof LendingRows) this.#centers.dispose();
    this.#centers = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): Matrix | LendingRows {
    if (this.#centers === undefined) throw failure('ERR_DETACHED', 'centers', 'centers that are not disposed', 'disposed ones');
    return this.#centers;
  }

  #backend(): Backend {
    return this.#device === undefined ? backend() : backendOn('options.device', this.#device);
  }
}
