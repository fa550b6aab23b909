// Losses over one labelled batch by the distribution or the ranking of its distances, and VICReg over two views of one batch.
import type { Values } from './types.js';

/** Embeddings [n, d] with a label each; the gradient is absent when not wanted, `perExample` where rows have no loss of their own. */
export interface LabelledBatchOp {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly d: number;
  readonly perExample?: Values;
  readonly gradX?: Values | undefined;
}

export interface NcaOp extends LabelledBatchOp {
  readonly scale: number;
  readonly normalize: boolean;
  readonly perExample: Values;
}

export interface AngularOp extends LabelledBatchOp {
  /** In radians. */
  readonly alpha: number;
}

export interface FastApOp extends LabelledBatchOp {
  readonly numBins: number;
  readonly perExample: Values;
}

export interface MarginLossOp extends LabelledBatchOp {
  /** One entry for all anchors, or one a class. */
  readonly beta: Values;
  readonly margin: number;
  readonly nu: number;
  readonly normalize: boolean;
  readonly gradBeta?: Values | undefined;
}

export interface IntraPairVarianceOp extends LabelledBatchOp {
  readonly posEps: number;
  readonly negEps: number;
}

export interface TupletMarginOp extends LabelledBatchOp {
  /** In radians. */
  readonly margin: number;
  readonly s: number;
}

export interface HistogramOp extends LabelledBatchOp {
  readonly numBins: number;
}

export const pnpVariants = ['O', 'Ds', 'Dq', 'Iu', 'Ib'] as const;
/** What `pnpLoss` makes of the number of negatives before a positive: `O`, `Ds`, `Dq`, `Iu`, `Ib`. `PnpLossOptions` has the functions. */
export type PnpVariant = (typeof pnpVariants)[number];

export interface PnpOp extends LabelledBatchOp {
  readonly variant: PnpVariant;
  readonly anneal: number;
  readonly b: number;
  readonly alpha: number;
  readonly perExample: Values;
}

export interface RankedListOp extends LabelledBatchOp {
  readonly margin: number;
  readonly alpha: number;
  readonly imbalance: number;
  readonly tPos: number;
  readonly tNeg: number;
  readonly perExample: Values;
}

export interface TcmOp extends LabelledBatchOp {
  readonly lambdaPlus: number;
  readonly lambdaMinus: number;
  readonly marginPlus: number;
  readonly marginMinus: number;
}

/** Two views x, y of one batch, [n, d] each. */
export interface VicRegOp {
  readonly x: Values;
  readonly y: Values;
  readonly n: number;
  readonly d: number;
  readonly lambda: number;
  readonly mu: number;
  readonly nu: number;
  readonly eps: number;
  readonly gradX?: Values | undefined;
  readonly gradY?: Values | undefined;
}

/** Each returns its loss. */
export interface BatchLossOps {
  ncaLoss(op: NcaOp): number;
  angularLoss(op: AngularOp): number;
  fastApLoss(op: FastApOp): number;
  marginLoss(op: MarginLossOp): number;
  intraPairVarianceLoss(op: IntraPairVarianceOp): number;
  tupletMarginLoss(op: TupletMarginOp): number;
  histogramLoss(op: HistogramOp): number;
  pnpLoss(op: PnpOp): number;
  rankedListLoss(op: RankedListOp): number;
  tcmLoss(op: TcmOp): number;
  vicRegLoss(op: VicRegOp): number;
}
