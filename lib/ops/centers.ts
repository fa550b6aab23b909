import type { Values } from './types.js';

export const centerReductions = ['halfMean', 'halfSum', 'mean'] as const;
/** q = Σ‖x_i − c_{y_i}‖²: halfSum q/2 (the paper), halfMean q/2B (the authors' Caffe layer), mean q/B. */
export type CenterReduction = (typeof centerReductions)[number];

export interface CenterLossOp {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly centers: Values;
  readonly n: number;
  readonly d: number;
  readonly classes: number;
  readonly reduction: CenterReduction;
  /** Unreduced ‖x_i − c_{y_i}‖². */
  readonly perExample: Values;
  readonly gradX?: Values | undefined;
  readonly gradCenters?: Values | undefined;
}

/** Δ_j = Σ(c_j − x_i)/(1 + n_j), c_j ← c_j − αΔ_j, in place, from the centers as they were. */
export interface UpdateCentersOp {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly centers: Values;
  readonly n: number;
  readonly d: number;
  readonly classes: number;
  readonly alpha: number;
}

export interface CenterOps {
  centerLoss(op: CenterLossOp): number;
  updateCenters(op: UpdateCentersOp): void;
}
