// A margin is data: a plain frozen object that prints, compares and serialises. Its arithmetic lives with each backend.

/** `exact`: the derivative of the loss. `straightThrough`: the modified logit forward, the gradient of s·cosθ backward. */
export type MarginGradient = 'exact' | 'straightThrough';
/** What happens once θ + m passes π; see `arcFace`. */
export type ArcFaceOverflow = 'none' | 'linear' | 'easy' | 'clip';

export interface NormalizedSoftmaxMargin {
  readonly kind: 'normalizedSoftmax';
  readonly temperature: number;
}
export interface LSoftmaxMargin {
  readonly kind: 'lSoftmax';
  readonly m: number;
  readonly lambda: number;
}
export interface ASoftmaxMargin {
  readonly kind: 'aSoftmax';
  readonly m: number;
  readonly lambda: number;
  readonly gradient: MarginGradient | 'caffe';
}
export interface CosFaceMargin {
  readonly kind: 'cosFace';
  readonly s: number;
  readonly m: number;
}
export interface ArcFaceMargin {
  readonly kind: 'arcFace';
  readonly s: number;
  readonly m: number;
  readonly overflow: ArcFaceOverflow;
  readonly gradient: MarginGradient;
  readonly eps: number;
}
export interface CombinedMargin {
  readonly kind: 'combinedMargin';
  readonly s: number;
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
  readonly gradient: MarginGradient;
}

export interface SoftmaxMargin {
  readonly kind: 'softmax';
}
export interface SphereFaceRMargin {
  readonly kind: 'sphereFaceR';
  readonly variant: 'v0' | 'v1' | 'v2';
  readonly m: number;
  readonly s: number;
  readonly lossWeight: number;
  readonly gradient: MarginGradient;
}
export interface SphereFace2Margin {
  readonly kind: 'sphereFace2';
  readonly variant: 'C' | 'A' | 'M';
  readonly alpha: number;
  readonly r: number;
  readonly m: number;
  readonly t: number;
  readonly lossWeight: number;
  readonly gradient: MarginGradient;
}
export interface AdaFaceMargin {
  readonly kind: 'adaFace';
  readonly m: number;
  readonly h: number;
  readonly s: number;
  readonly tAlpha: number;
  /** Running mean and standard deviation of the norms, before this batch. */
  readonly batchMean: number;
  readonly batchStd: number;
}
export interface MagFaceMargin {
  readonly kind: 'magFace';
  readonly s: number;
  readonly lA: number;
  readonly uA: number;
  readonly lMargin: number;
  readonly uMargin: number;
  readonly lambdaG: number;
  readonly easyMargin: boolean;
}
export interface CurricularFaceMargin {
  readonly kind: 'curricularFace';
  readonly m: number;
  readonly s: number;
  /** Running mean of the target cosines, before this batch. */
  readonly t: number;
  readonly momentum: number;
}
/** A margin on one column, over the best of `k` rows of weights a class. */
export interface SubCentersMargin {
  readonly kind: 'subCenters';
  readonly k: number;
  readonly margin: CosineMargin;
}
export interface SoftTripleMargin {
  readonly kind: 'softTriple';
  readonly k: number;
  readonly la: number;
  readonly gamma: number;
  readonly margin: number;
}
export interface P2sGradMargin {
  readonly kind: 'p2sGrad';
}

/** Margins on the cosine of unit rows and unit weights, under a softmax: what sub-centers may carry. */
export type CosineMargin =
  | NormalizedSoftmaxMargin
  | CosFaceMargin
  | ArcFaceMargin
  | CombinedMargin
  | SphereFaceRMargin
  | AdaFaceMargin
  | MagFaceMargin
  | CurricularFaceMargin;

export type Margin =
  | SoftmaxMargin
  | NormalizedSoftmaxMargin
  | LSoftmaxMargin
  | ASoftmaxMargin
  | CosFaceMargin
  | ArcFaceMargin
  | CombinedMargin
  | SphereFaceRMargin
  | SphereFace2Margin
  | AdaFaceMargin
  | MagFaceMargin
  | CurricularFaceMargin
  | SubCentersMargin
  | SoftTripleMargin
  | P2sGradMargin;

/** What a class's one value meets, however many rows it came from. */
export type ColumnMargin = Exclude<Margin, SubCentersMargin>;
