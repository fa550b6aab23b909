// Where a head's rows are, and the optimizer's beside them: in memory of its own, computed on by whichever backend serves, or on a device, where
// they stay from step to step.
import { type Backend, backend, backendOn, type Device } from '../backend.js';
import type { NearestOp } from '../ops/distances.js';
import type { ResidentDistancesOp, ResidentHeadOp, ResidentNearestOp } from '../ops/resident.js';
import type { MarginSoftmaxResult } from '../ops/softmax.js';
import { type Rows, widened } from './class-weights.js';
import { LendingRows } from './lending-rows.js';

/** Weights and the optimizer's state, which is absent where it keeps none. */
export interface RowsAndMoments {
  readonly weights: Rows;
  readonly moments: Rows | undefined;
}

export type HeadPass = (op: ResidentHeadOp) => MarginSoftmaxResult;

export interface HeadRows {
  /** Of both, [count, D]. */
  readonly count: number;
  /** What callers may have in their hands and the next call reads. */
  readonly lent: Rows | undefined;
  /** The weights for a caller to read and write. */
  lend(): Rows;
  /** Both as they are now, which nobody else changes before the next call. */
  current(): RowsAndMoments;
  /** These in their place, which then are somebody else's; the rows here stay as they are until they are disposed of. */
  replaced(by: RowsAndMoments): HeadRows;
  /** What computes on the rows in one pass, of one op or two; whether they move is said before. */
  pass(moves: boolean): HeadPass;
  similarities(op: ResidentDistancesOp): void;
  nearest(op: ResidentNearestOp): void;
  dispose(): void;
}

/** @throws ERR_NO_DEVICE, ERR_OUT_OF_MEMORY of the device */
export function headRows(device: Device | undefined, rows: RowsAndMoments, d: number): HeadRows {
  return device === 'cuda' ? new DeviceRows(rows, d) : new HostRows(rows, d, device);
}

class HostRows implements HeadRows {
  readonly #rows: RowsAndMoments;
  readonly #d: number;
  readonly #device: 'cpu' | undefined;

  constructor(rows: RowsAndMoments, d: number, device: 'cpu' | undefined) {
    this.#rows = rows;
    this.#d = d;
    this.#device = device;
  }

  get count(): number {
    return this.#rows.weights.length / this.#d;
  }

  get lent(): Rows {
    return this.#rows.weights;
  }

  lend(): Rows {
    return this.#rows.weights;
  }

  current(): RowsAndMoments {
    return this.#rows;
  }

  replaced(by: RowsAndMoments): HeadRows {
    return new HostRows(by, this.#d, this.#device);
  }

  pass(moves: boolean): HeadPass {
    const { weights: stored, moments: state } = this.#rows;
    // The op takes bfloat16 beside an update alone.
    const weights = moves ? stored : widened(stored);
    return ({ update, ...op }) => this.#backend().marginSoftmax({ ...op, weights, update: update && { ...update, state } });
  }

  similarities({ first, ...op }: ResidentDistancesOp): void {
    const y = widened(this.#rows.weights.subarray(first * op.d, (first + op.m) * op.d));
    this.#backend().distances({ ...op, y });
  }

  nearest(op: ResidentNearestOp): void {
    const labels = new Int32Array(0);
    const rest: Pick<NearestOp, 'excludeSelf' | 'filter'> = { excludeSelf: false, filter: undefined };
    const gallery = this.#rows.weights;
    this.#backend().nearest({ ...op, ...rest, gallery, m: this.count, d: this.#d, labels, galleryLabels: labels });
  }

  dispose(): void {}

  #backend(): Backend {
    return this.#device === undefined ? backend() : backendOn('options.device', this.#device);
  }
}

class DeviceRows implements HeadRows {
  readonly #rows: LendingRows;
  readonly #d: number;

  constructor({ weights, moments }: RowsAndMoments, d: number) {
    this.#rows = new LendingRows(weights, moments, d);
    this.#d = d;
  }

  get count(): number {
    return this.#rows.count;
  }

  get lent(): Rows | undefined {
    return this.#rows.lent;
  }

  lend(): Rows {
    return this.#rows.lend();
  }

  current(): RowsAndMoments {
    const { rows: weights, state: moments } = this.#rows.copies();
    return { weights, moments };
  }

  replaced(by: RowsAndMoments): HeadRows {
    return new DeviceRows(by, this.#d);
  }

  pass(): HeadPass {
    return (op) => this.#rows.takenBack((rows) => rows.marginSoftmax(op));
  }

  similarities(op: ResidentDistancesOp): void {
    this.#rows.takenBack((rows) => rows.distances(op));
  }

  nearest(op: ResidentNearestOp): void {
    this.#rows.takenBack((rows) => rows.nearest(op));
  }

  dispose(): void {
    this.#rows.dispose();
  }
}
