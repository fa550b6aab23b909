// Softmax cross-entropy of one row of logits at a time: what every softmax head of the reference shares. Only one
// row of logits exists at any moment, so memory never grows with batch × classes.
import type { ClassificationOp } from '../ops/softmax.js';

type Row = Float64Array;

/**
 * Streams the rows: `fill(i, z)` writes the logits of row i, `use(i, g)` receives ∂loss/∂z, reduction included.
 * Ignored rows are passed over. ℓ = −(1−ε)v_y log p_y − (ε/C)Σ_c v_c log p_c; mean divides by Σv_y.
 */
export function classify(op: ClassificationOp, fill: (i: number, z: Row) => void, use?: (i: number, g: Row) => void): number {
  const { labels, n, classes, reduction, labelSmoothing, ignoreIndex, classWeights, gradOutput, perExample } = op;
  const weightOf = (c: number): number => classWeights?.[c] ?? 1;
  let allWeights = 0;
  for (let c = 0; c < classes; c++) allWeights += weightOf(c);
  let weightSum = 0;
  for (let i = 0; i < n; i++) if (labels[i] !== ignoreIndex) weightSum += weightOf(labels[i] as number);
  const common = reduction === 'mean' ? (weightSum > 0 ? 1 / weightSum : 0) : 1;
  const share = labelSmoothing / classes;
  const z = new Float64Array(classes);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const y = labels[i] as number;
    if (y === ignoreIndex) {
      perExample[i] = 0;
      continue;
    }
    fill(i, z);
    const { max, logSum, logOfTarget, target, others } = logSumExp(z, y);
    const total = others + target;
    const hard = (1 - labelSmoothing) * weightOf(y);
    let value = weighted(hard, -logOfTarget);
    if (share > 0) {
      for (let c = 0; c < classes; c++) {
        value += weighted(share * weightOf(c), c === y ? -logOfTarget : logSum + (z[c] === max ? 0 : max - (z[c] as number)));
      }
    }
    const scale = reduction === 'none' ? (gradOutput?.[i] ?? 1) : common;
    perExample[i] = value;
    loss += weighted(scale, value);
    if (!use) continue;
    const soft = share * allWeights;
    for (let c = 0; c < classes; c++) {
      if (c !== y) z[c] = scale * (((hard + soft) * power(z[c] as number, max)) / total - share * weightOf(c));
    }
    // 1 − p_y comes from the others' sum: p_y − 1 would cancel to 0 for a confident row.
    z[y] = scale * ((soft * target - hard * others) / total - share * weightOf(y));
    use(i, z);
  }
  return loss;
}

/** A term of weight 0 is not there, even where it is infinite: 0·∞ would be NaN. A NaN stays one. */
function weighted(weight: number, term: number): number {
  return weight === 0 && !Number.isNaN(term) ? 0 : weight * term;
}

/** Infinite logits count as equal to an equal maximum, so ∞ − ∞ never makes a NaN. */
function power(z: number, max: number): number {
  return z === max ? 1 : Math.exp(z - max);
}

function logSumExp(z: Row, y: number): { max: number; logSum: number; logOfTarget: number; target: number; others: number } {
  let max = z[0] as number;
  for (const value of z) if (value > max) max = value;
  let others = 0;
  for (let c = 0; c < z.length; c++) if (c !== y) others += power(z[c] as number, max);
  const targetLogit = z[y] as number;
  const target = power(targetLogit, max);
  const logSum = Math.log(others + target);
  const logOfTarget = targetLogit === max ? -Math.log1p(others) : targetLogit - max - logSum;
  return { max, logSum, logOfTarget, target, others };
}
