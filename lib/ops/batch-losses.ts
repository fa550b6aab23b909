// Losses over one labelled batch, over a batch and a proxy a class, and over two matrices whose rows belong together.
import type { Values } from './types.js';

/** Rows [m, d] of earlier batches with a label each: constants that the rows of a batch are compared with besides each other. */
export interface MemoryRows {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly m: number;
}

/** Embeddings [n, d] with a label each; the gradient is absent when not wanted, `perExample` where rows have no loss of their own. */
export interface LabelledBatchOp {
  readonly x: Values;
  readonly labels: Int32Array;
  readonly n: number;
  readonly d: number;
  /**
   * Rows [m, d] of earlier batches, constants that each row of `x` is compared with besides the others: anchors are the rows of `x` alone.
   * Absent or of no rows: the plain loss.
   */
  readonly memory?: MemoryRows | undefined;
  readonly perExample?: Values;
  readonly gradX?: Values | undefined;
}

export interface SupConOp extends LabelledBatchOp {
  readonly temperature: number;
  readonly perExample: Values;
}

export interface NtXentOp extends LabelledBatchOp {
  readonly temperature: number;
}

export interface CircleOp extends LabelledBatchOp {
  readonly m: number;
  readonly gamma: number;
  readonly perExample: Values;
}

export interface MultiSimilarityOp extends LabelledBatchOp {
  readonly alpha: number;
  readonly beta: number;
  readonly base: number;
  /** Of the mining; absent: every pair counts. */
  readonly epsilon?: number | undefined;
  readonly perExample: Values;
}

export interface LiftedStructureOp extends LabelledBatchOp {
  readonly negMargin: number;
  readonly posMargin: number;
  readonly normalize: boolean;
  readonly generalized: boolean;
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

/** One proxy a class, [classes, d]; labels lie in [0, classes). */
interface ProxyOp extends Omit<LabelledBatchOp, 'memory'> {
  readonly proxies: Values;
  readonly classes: number;
  readonly gradProxies?: Values | undefined;
}

export interface ProxyNcaOp extends ProxyOp {
  readonly scale: number;
  readonly perExample: Values;
  /** What enters the softmax, [n, classes], where it is a result asked for. */
  readonly logits?: Values | undefined;
}

export interface ProxyAnchorOp extends ProxyOp {
  readonly margin: number;
  readonly alpha: number;
}

/** Rows x_i and y_i belong together, [n, d] each; a gradient is absent when not wanted. */
interface MatchedRowsOp {
  readonly x: Values;
  readonly y: Values;
  readonly n: number;
  readonly d: number;
  readonly gradX?: Values | undefined;
  readonly gradY?: Values | undefined;
}

export interface InfoNceOp extends MatchedRowsOp {
  readonly temperature: number;
  readonly symmetric: boolean;
  readonly normalize: boolean;
  readonly perExample: Values;
}

export interface NPairsOp {
  readonly anchors: Values;
  readonly positives: Values;
  readonly n: number;
  readonly d: number;
  readonly normalize: boolean;
  readonly l2Reg: number;
  readonly perExample: Values;
  readonly gradAnchors?: Values | undefined;
  readonly gradPositives?: Values | undefined;
}

export interface VicRegOp extends MatchedRowsOp {
  readonly lambda: number;
  readonly mu: number;
  readonly nu: number;
  readonly eps: number;
}

/** Each returns its loss. */
export interface BatchLossOps {
  supConLoss(op: SupConOp): number;
  ntXentLoss(op: NtXentOp): number;
  circleLoss(op: CircleOp): number;
  multiSimilarityLoss(op: MultiSimilarityOp): number;
  liftedStructureLoss(op: LiftedStructureOp): number;
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
  proxyNcaLoss(op: ProxyNcaOp): number;
  proxyAnchorLoss(op: ProxyAnchorOp): number;
  infoNceLoss(op: InfoNceOp): number;
  nPairsLoss(op: NPairsOp): number;
  vicRegLoss(op: VicRegOp): number;
}
