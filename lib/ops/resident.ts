// Rows that stay on a device: the weights of a head with what its optimizer keeps, or the centers of classes. Of each op the rows themselves are
// left out, for the device has them.
import type { CenterLossOp, UpdateCentersOp } from './centers.js';
import type { DistancesOp, NearestOp } from './distances.js';
import type { MarginSoftmaxOp, MarginSoftmaxResult, WeightUpdate } from './softmax.js';

/** [count, D], float32 or bfloat16. */
export type StoredRows = Float32Array | Uint16Array;

export interface KeepRowsOp {
  readonly rows: StoredRows;
  /** A number beside each, of the same type. */
  readonly state: StoredRows | undefined;
  readonly count: number;
  readonly d: number;
}

export type ResidentHeadOp = Omit<MarginSoftmaxOp, 'weights' | 'update'> & { readonly update?: Omit<WeightUpdate, 'state'> | undefined };
/** Against `m` rows from `first` on. */
export type ResidentDistancesOp = Omit<DistancesOp, 'y'> & { readonly first: number };
export type ResidentNearestOp = Pick<NearestOp, 'x' | 'n' | 'k' | 'metric' | 'indices' | 'distances'>;

export interface ResidentRows {
  marginSoftmax(op: ResidentHeadOp): MarginSoftmaxResult;
  centerLoss(op: Omit<CenterLossOp, 'centers'>): number;
  updateCenters(op: Omit<UpdateCentersOp, 'centers'>): void;
  distances(op: ResidentDistancesOp): void;
  nearest(op: ResidentNearestOp): void;
  /** All rows, all of the state, or both as they are now. */
  read(into: { readonly rows: StoredRows | undefined; readonly state: StoredRows | undefined }): void;
  /** All rows anew. */
  write(from: { readonly rows: StoredRows }): void;
  dispose(): void;
}
