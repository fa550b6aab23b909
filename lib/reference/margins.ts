// What a margin does to the one column it touches: the target's logit and how it moves, a scalar function of the
// row and the class weight. The other columns are scale·u·v for all margins.
import type { ArcFaceMargin, CombinedMargin, Margin } from '../margins/types.js';

/** u·v, the cosine between the two and their norms. u is x or x̂, v is w or ŵ: see `spaceOf`. */
export interface Target {
  readonly dot: number;
  readonly cos: number;
  readonly normU: number;
  readonly normV: number;
}

/** The target logit; its gradient is alongDot·v + alongU·û towards u and alongDot·u + alongV·v̂ towards v. */
export interface TargetLogit {
  readonly value: number;
  readonly alongDot: number;
  readonly alongU: number;
  readonly alongV: number;
}

export interface Space {
  readonly unitX: boolean;
  readonly unitW: boolean;
  readonly scale: number;
}

export function spaceOf(margin: Margin): Space {
  switch (margin.kind) {
    case 'lSoftmax':
      return { unitX: false, unitW: false, scale: 1 };
    case 'aSoftmax':
      return { unitX: false, unitW: true, scale: 1 };
    case 'normalizedSoftmax':
      return { unitX: true, unitW: true, scale: 1 / margin.temperature };
    default:
      return { unitX: true, unitW: true, scale: margin.s };
  }
}

export function targetLogit(margin: Margin, target: Target): TargetLogit {
  switch (margin.kind) {
    case 'lSoftmax':
    case 'aSoftmax':
      return multiplicative(margin.m, margin.lambda, target);
    case 'normalizedSoftmax':
      return onCosine(1 / margin.temperature, target.cos, 1);
    case 'cosFace':
      return onCosine(margin.s, target.cos - margin.m, 1);
    case 'arcFace':
      return arcFace(margin, target.cos);
    case 'combinedMargin':
      return combined(margin, target.cos);
  }
}

function onCosine(scale: number, value: number, slope: number): TargetLogit {
  return { value: scale * value, alongDot: scale * slope, alongU: 0, alongV: 0 };
}

/** (λ u·v + ‖u‖‖v‖ψ(θ)) / (1 + λ), Liu et al. 2016, eq. 4–6; with unit v it is SphereFace, Liu et al. 2017, eq. 7. */
function multiplicative(m: number, lambda: number, { dot, cos, normU, normV }: Target): TargetLogit {
  if (m === 1) return { value: dot, alongDot: 1, alongU: 0, alongV: 0 };
  const { value, slope } = psi(m, cos);
  const radial = (value - cos * slope) / (1 + lambda);
  return {
    value: (lambda * dot + normU * normV * value) / (1 + lambda),
    alongDot: (lambda + slope) / (1 + lambda),
    alongU: radial * normV,
    alongV: radial * normU,
  };
}

/** ψ = (−1)^k T_m(c) − 2k and dψ/dc = (−1)^k m U_{m−1}(c) by the Chebyshev recurrences: no arccos, no singularity at c = ±1. */
export function psi(m: number, c: number): { value: number; slope: number } {
  let [before, first] = [1, c];
  let [secondBefore, second] = [0, 1];
  for (let j = 1; j < m; j++) {
    [before, first] = [first, 2 * c * first - before];
    [secondBefore, second] = [second, 2 * c * second - secondBefore];
  }
  let k = 0;
  while (k < m - 1 && c < Math.cos(((k + 1) * Math.PI) / m)) k++;
  const sign = k % 2 === 0 ? 1 : -1;
  return { value: sign * first - 2 * k, slope: sign * m * second };
}

// Below this sin²θ the row and its class are parallel to float32: the slope's limit is infinite there, and the
// tangential direction it would multiply is zero.
const parallel = 1e-14;

/** d cos(m1 θ + m2) / d cosθ; the finite value m1² cos m2 stands in where x ∥ w. */
function angularSlope(m1: number, m2: number, c: number): number {
  const sin2 = 1 - c * c;
  return sin2 < parallel ? m1 * m1 * Math.cos(m2) : (m1 * Math.sin(m1 * Math.acos(c) + m2)) / Math.sqrt(sin2);
}

function arcFace({ s, m, overflow, gradient, eps }: ArcFaceMargin, c: number): TargetLogit {
  const angle = Math.acos(c) + m;
  const slope = (exact: number): number => (gradient === 'exact' ? exact : 1);
  if (overflow === 'linear' && angle >= Math.PI) return onCosine(s, c - m * Math.sin(m), 1);
  if (overflow === 'easy' && c <= 0) return onCosine(s, c, 1);
  if (overflow === 'clip' && angle > Math.PI - eps) return onCosine(s, Math.cos(Math.PI - eps), slope(0));
  return onCosine(s, Math.cos(angle), slope(angularSlope(1, m, c)));
}

function combined({ s, m1, m2, m3, gradient }: CombinedMargin, c: number): TargetLogit {
  return onCosine(s, Math.cos(m1 * Math.acos(c) + m2) - m3, gradient === 'exact' ? angularSlope(m1, m2, c) : 1);
}
