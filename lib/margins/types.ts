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

export type Margin = NormalizedSoftmaxMargin | LSoftmaxMargin | ASoftmaxMargin | CosFaceMargin | ArcFaceMargin | CombinedMargin;
