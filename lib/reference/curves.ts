// Functions of a cosine that margins are made of, each with its derivative. Cosines come in [−1, 1].

export interface Curve {
  readonly value: number;
  readonly slope: number;
}

/** ψ = (−1)^k T_m(c) − 2k and dψ/dc = (−1)^k m U_{m−1}(c) by the Chebyshev recurrences: no arccos, no singularity at c = ±1. */
export function psi(m: number, c: number): Curve {
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

/** ψ for real m: (−1)^k cos(mθ) − 2k with k = ⌊mθ/π⌋. */
export function psiOfAngle(m: number, c: number): Curve {
  const k = Math.floor((m * Math.acos(c)) / Math.PI);
  const sign = k % 2 === 0 ? 1 : -1;
  return { value: sign * atAngle(m, 0, c) - 2 * k, slope: sign * angularSlope(m, 0, c) };
}

/** cos(m1·θ + m2). */
export function atAngle(m1: number, m2: number, c: number): number {
  return Math.cos(m1 * Math.acos(c) + m2);
}

// Below this sin²θ the row and its class are parallel to float32: the slope's limit is infinite there, and the
// tangential direction it would multiply is zero.
const parallel = 1e-14;

/** d cos(m1 θ + m2) / d cosθ; the finite value m1² cos m2 stands in where x ∥ w. */
export function angularSlope(m1: number, m2: number, c: number): number {
  const sin2 = 1 - c * c;
  return sin2 < parallel ? m1 * m1 * Math.cos(m2) : (m1 * Math.sin(m1 * Math.acos(c) + m2)) / Math.sqrt(sin2);
}

/** g(u) = 2((u + 1)/2)^t − 1, SphereFace2's similarity adjustment. */
export function powered(t: number, u: number): Curve {
  const half = (u + 1) / 2;
  return { value: 2 * half ** t - 1, slope: t * half ** (t - 1) };
}
