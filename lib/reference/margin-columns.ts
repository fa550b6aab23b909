// What a margin does beside the target: the logits of the other classes, and how the rows of weights of one class become one value.
import type { ColumnMargin, Margin } from '../margins/types.js';
import { angularSlope, atAngle, powered } from './curves.js';
import { adaFaceEps, spaceOf } from './margins.js';

/** The logit of a class that is not the target, as a function of u·v, with its slope. */
export interface OtherLogits {
  value(dot: number): number;
  slope(dot: number): number;
}

const clamp = (c: number, limit = 1): number => Math.max(-limit, Math.min(limit, c));

/** scale·u·v for margins that touch the target alone. `targetCos` and `t` are curricularFace's: the row's own cosine, the running mean. */
export function otherLogits(margin: ColumnMargin, targetCos: number, t: number): OtherLogits {
  if (margin.kind === 'sphereFaceR' && margin.variant === 'v2') {
    const { s, m, gradient } = margin;
    return {
      value: (c) => s * atAngle(1 / m, 0, clamp(c)),
      slope: (c) => (gradient === 'exact' ? s * angularSlope(1 / m, 0, clamp(c)) : s),
    };
  }
  if (margin.kind === 'sphereFace2') {
    const { r, t: power, gradient } = margin;
    const added = margin.variant === 'C' ? margin.m : 0;
    return {
      value: (c) => r * (powered(power, clamp(c)).value + added),
      slope: (c) => (gradient === 'exact' ? r * powered(power, clamp(c)).slope : r),
    };
  }
  if (margin.kind === 'adaFace') {
    const { s } = margin;
    const limit = 1 - adaFaceEps;
    return { value: (c) => s * clamp(c, limit), slope: (c) => (Math.abs(c) > limit ? 0 : s) };
  }
  if (margin.kind === 'curricularFace') {
    const { s, m } = margin;
    // Without the way past π that the target's own logit takes.
    const hard = atAngle(1, m, targetCos);
    return { value: (c) => s * (c > hard ? c * (t + c) : c), slope: (c) => s * (c > hard ? t + 2 * c : 1) };
  }
  const { scale } = spaceOf(margin);
  return { value: (dot) => scale * dot, slope: () => scale };
}

/** How the values of a class's rows become one, and how its derivative is shared among them, in place of the values. */
export interface Pool {
  merge(values: Float64Array, merged: Float64Array): void;
  share(derivatives: Float64Array, values: Float64Array): void;
}

/** The largest of the k; ties go to the lowest index and NaN never wins. */
function largest(k: number): Pool {
  const bestOf = (values: Float64Array, c: number): number => {
    let best = c * k;
    for (let r = best + 1; r < (c + 1) * k; r++) {
      const [value, leader] = [values[r] as number, values[best] as number];
      if (value > leader || (Number.isNaN(leader) && !Number.isNaN(value))) best = r;
    }
    return best;
  };
  return {
    merge(values, merged) {
      for (let c = 0; c < merged.length; c++) merged[c] = values[bestOf(values, c)] as number;
    },
    share(derivatives, values) {
      for (let c = 0; c < derivatives.length; c++) {
        const best = bestOf(values, c);
        values.fill(0, c * k, (c + 1) * k);
        values[best] = derivatives[c] as number;
      }
    },
  };
}

/** S = Σ_r p_r v_r with p = softmax(v / γ), Qian et al. 2019; ∂S/∂v_r = p_r (1 + (v_r − S)/γ). */
function softly(k: number, gamma: number): Pool {
  const p = new Float64Array(k);
  const fill = (values: Float64Array, c: number): number => {
    let max = -Infinity;
    for (let r = 0; r < k; r++) if ((values[c * k + r] as number) > max) max = values[c * k + r] as number;
    let total = 0;
    for (let r = 0; r < k; r++) total += p[r] = Math.exp(((values[c * k + r] as number) - max) / gamma);
    let sum = 0;
    for (let r = 0; r < k; r++) {
      p[r] = (p[r] as number) / total;
      sum += (p[r] as number) * (values[c * k + r] as number);
    }
    return sum;
  };
  return {
    merge(values, merged) {
      for (let c = 0; c < merged.length; c++) merged[c] = fill(values, c);
    },
    share(derivatives, values) {
      for (let c = 0; c < derivatives.length; c++) {
        const sum = fill(values, c);
        for (let r = 0; r < k; r++) {
          const slope = (p[r] as number) * (1 + ((values[c * k + r] as number) - sum) / gamma);
          values[c * k + r] = (derivatives[c] as number) * slope;
        }
      }
    },
  };
}

const single: Pool = { merge: (values, merged) => merged.set(values), share: (derivatives, values) => values.set(derivatives) };

export function poolOf(margin: Margin): Pool {
  if (margin.kind === 'subCenters') return largest(margin.k);
  return margin.kind === 'softTriple' ? softly(margin.k, margin.gamma) : single;
}
