// What a margin does to the logit of the target: a scalar function of the row and its class, with its derivatives. What it
// does to the other classes is in margin-columns.ts.
import type {
  AdaFaceMargin,
  ArcFaceMargin,
  ASoftmaxMargin,
  ColumnMargin,
  MagFaceMargin,
  SphereFace2Margin,
  SphereFaceRMargin,
} from '../margins/types.js';
import { angularSlope, atAngle, powered, psi, psiOfAngle } from './curves.js';

/** u·v, the cosine between the two and the norms of x and w. u is x or x̂, v is w or ŵ: see `spaceOf`. */
export interface Target {
  readonly dot: number;
  readonly cos: number;
  readonly normX: number;
  readonly normW: number;
  /** adaFace's standing of the row's norm in the batch, in [−1, 1]; 0 for others. */
  readonly quality: number;
}

/** The target's logit and its derivatives: along u·v, and along ‖x‖ and ‖w‖ at fixed u·v, which act past the normalisation. */
export interface TargetLogit {
  readonly value: number;
  readonly alongDot: number;
  readonly alongX: number;
  readonly alongW: number;
}

export interface Space {
  readonly unitX: boolean;
  readonly unitW: boolean;
  /** A logit without margin is scale·u·v. */
  readonly scale: number;
}

export function spaceOf(margin: ColumnMargin): Space {
  const space = (unitX: boolean, unitW: boolean, scale: number): Space => ({ unitX, unitW, scale });
  switch (margin.kind) {
    case 'softmax':
    case 'lSoftmax':
      return space(false, false, 1);
    case 'aSoftmax':
      return space(false, true, 1);
    case 'normalizedSoftmax':
      return space(true, true, 1 / margin.temperature);
    case 'softTriple':
      return space(true, true, margin.la);
    case 'sphereFace2':
      return space(true, true, margin.r);
    case 'p2sGrad':
      return space(true, true, 1);
    default:
      return space(true, true, margin.s);
  }
}

export function targetLogit(margin: ColumnMargin, target: Target): TargetLogit {
  const { cos } = target;
  switch (margin.kind) {
    case 'softmax':
      return onDot(1, target.dot, 1);
    case 'lSoftmax':
      return multiplicative(margin.m, margin.lambda, target);
    case 'aSoftmax':
      return aSoftmax(margin, target);
    case 'normalizedSoftmax':
      return onDot(1 / margin.temperature, cos, 1);
    case 'cosFace':
      return onDot(margin.s, cos - margin.m, 1);
    case 'arcFace':
      return arcFace(margin, cos);
    case 'combinedMargin': {
      const slope = margin.gradient === 'exact' ? angularSlope(margin.m1, margin.m2, cos) : 1;
      return onDot(margin.s, atAngle(margin.m1, margin.m2, cos) - margin.m3, slope);
    }
    case 'sphereFaceR':
      return sphereFaceR(margin, cos);
    case 'sphereFace2':
      return sphereFace2(margin, cos);
    case 'adaFace':
      return adaFace(margin, cos, target.quality);
    case 'magFace':
      return magFace(margin, cos, target.normX);
    case 'curricularFace':
      return monotone(margin.s, margin.m, cos);
    case 'softTriple':
      return onDot(margin.la, cos - margin.margin, 1);
    case 'p2sGrad':
      return onDot(1, cos, 1);
  }
}

function onDot(scale: number, value: number, slope: number, alongX = 0): TargetLogit {
  return { value: scale * value, alongDot: scale * slope, alongX, alongW: 0 };
}

/** (λ u·v + ‖u‖‖v‖ψ(θ)) / (1 + λ), Liu et al. 2016, eq. 4–6. */
function multiplicative(m: number, lambda: number, { dot, cos, normX, normW }: Target): TargetLogit {
  if (m === 1) return onDot(1, dot, 1);
  const { value, slope } = psi(m, cos);
  const radial = (value - cos * slope) / (1 + lambda);
  return {
    value: (lambda * dot + normX * normW * value) / (1 + lambda),
    alongDot: (lambda + slope) / (1 + lambda),
    alongX: radial * normW,
    alongW: radial * normX,
  };
}

/** The same over unit class weights, Liu et al. 2017, eq. 7. */
function aSoftmax({ gradient, m, lambda }: ASoftmaxMargin, target: Target): TargetLogit {
  const { value, alongDot, alongX } = multiplicative(m, lambda, { ...target, normW: 1 });
  if (m === 1 || gradient === 'exact') return { value, alongDot, alongX, alongW: 0 };
  return gradient === 'straightThrough' ? onDot(1, value, 1) : { value, ...caffe(m, lambda, target) };
}

/**
 * The authors' layer writes ∂(‖x‖ψ)/∂x as a·ŵ + b·x and divides the pair by √(a² + b²) before it blends with λ (sphereface,
 * README, "Backward gradient"). Here both are multiplied by ‖x‖ first, so that a row of zeros needs no case of its own.
 */
function caffe(m: number, lambda: number, { cos, normX }: Target): Omit<TargetLogit, 'value'> {
  const { value, slope } = psi(m, cos);
  const [a, b] = [slope * normX, value - cos * slope];
  const share = normX / (Math.hypot(a, b) * (1 + lambda));
  return { alongDot: lambda / (1 + lambda) + slope * share, alongX: b * share, alongW: 0 };
}

/** cos(θ + m), and cosθ − m·sin m once θ + m reaches π. */
function monotone(s: number, m: number, c: number): TargetLogit {
  if (Math.acos(c) + m >= Math.PI) return onDot(s, c - m * Math.sin(m), 1);
  return onDot(s, atAngle(1, m, c), angularSlope(1, m, c));
}

function arcFace({ s, m, overflow, gradient, eps }: ArcFaceMargin, c: number): TargetLogit {
  const angle = Math.acos(c) + m;
  const slope = (exact: number): number => (gradient === 'exact' ? exact : 1);
  if (overflow === 'linear' && angle >= Math.PI) return monotone(s, m, c);
  if (overflow === 'easy' && c <= 0) return onDot(s, c, 1);
  if (overflow === 'clip' && angle > Math.PI - eps) return onDot(s, Math.cos(Math.PI - eps), slope(0));
  return onDot(s, atAngle(1, m, c), slope(angularSlope(1, m, c)));
}

/** v0: ψ(θ) for real m; v1: cos(min(mθ, π)); v2: the target as it is, the margin lies on the others. */
function sphereFaceR({ variant, m, s, gradient }: SphereFaceRMargin, c: number): TargetLogit {
  if (variant === 'v2') return onDot(s, c, 1);
  const { value, slope } = variant === 'v0' ? psiOfAngle(m, c) : withinPi(m, 0, c);
  return onDot(s, value, gradient === 'exact' ? slope : 1);
}

/** cos(min(m1·θ + m2, π)). */
function withinPi(m1: number, m2: number, c: number): { value: number; slope: number } {
  if (m1 * Math.acos(c) + m2 >= Math.PI) return { value: -1, slope: 0 };
  return { value: atAngle(m1, m2, c), slope: angularSlope(m1, m2, c) };
}

/** r·(g(c) − m) for C, r·g(cos min(θ + m, π)) for A, r·g(cos min(mθ, π)) for M. */
function sphereFace2({ variant, r, m, t, gradient }: SphereFace2Margin, c: number): TargetLogit {
  const inner = variant === 'C' ? { value: c, slope: 1 } : variant === 'A' ? withinPi(1, m, c) : withinPi(m, 0, c);
  const { value, slope } = powered(t, inner.value);
  return onDot(r, variant === 'C' ? value - m : value, gradient === 'exact' ? slope * inner.slope : 1);
}

/** Cosines are kept this far from ±1, angles this far from 0 and π. */
export const adaFaceEps = 1e-3;

/** cos(clamp(θ − m·q, ε, π − ε)) − m(1 + q), Kim et al. 2022; q is a constant. */
function adaFace({ m, s }: AdaFaceMargin, c: number, q: number): TargetLogit {
  const limit = 1 - adaFaceEps;
  const inside = Math.abs(c) <= limit;
  const clamped = Math.max(-limit, Math.min(limit, c));
  const angle = Math.acos(clamped) - m * q;
  const kept = Math.max(adaFaceEps, Math.min(Math.PI - adaFaceEps, angle));
  const slope = inside && kept === angle ? angularSlope(1, -m * q, clamped) : 0;
  return onDot(s, Math.cos(kept) - m * (1 + q), slope);
}

/** The margin of a row of norm a, and how it grows with a: 0 outside [lA, uA]. */
export function magFaceMargin({ lA, uA, lMargin, uMargin }: MagFaceMargin, norm: number): { a: number; m: number; slope: number } {
  const a = Math.max(lA, Math.min(uA, norm));
  const slope = (uMargin - lMargin) / (uA - lA);
  return { a, m: lMargin + slope * (a - lA), slope: a === norm ? slope : 0 };
}

/** cos(θ + m(a)) with its way past π, Meng et al. 2021. */
function magFace(margin: MagFaceMargin, c: number, norm: number): TargetLogit {
  const { s, easyMargin } = margin;
  const { m, slope } = magFaceMargin(margin, norm);
  if (easyMargin ? c > 0 : c > Math.cos(Math.PI - m)) {
    return onDot(s, atAngle(1, m, c), angularSlope(1, m, c), -s * slope * Math.sin(Math.acos(c) + m));
  }
  return easyMargin ? onDot(s, c, 1) : onDot(s, c - m * Math.sin(m), 1, -s * slope * (Math.sin(m) + m * Math.cos(m)));
}
