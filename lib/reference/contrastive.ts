// Contrastive loss on given pairs, and over all pairs of a batch.
import type { BatchContrastiveOp, ContrastiveOp } from '../ops/pairs.js';
import { type Batch, batchOf } from './pair-distances.js';

/** ½[y d² + (1 − y)(m − d)₊²]. At d = 0 the direction is undefined and the gradient 0. */
export function contrastiveLoss({ x1, x2, same, n, d, margin, reduction, perExample, gradX1, gradX2 }: ContrastiveOp): number {
  const scale = reduction === 'mean' ? 1 / Math.max(n, 1) : 1;
  let total = 0;
  for (let i = 0; i < n; i++) {
    const at = i * d;
    let squared = 0;
    for (let k = at; k < at + d; k++) squared += ((x1[k] as number) - (x2[k] as number)) ** 2;
    const distance = Math.sqrt(squared);
    const gap = margin - distance;
    const inside = !(gap <= 0);
    const value = same[i] === 1 ? squared / 2 : inside ? (gap * gap) / 2 : 0;
    // A NaN value is the gradient's too, in every coordinate; only a distance of exactly 0 has none.
    const factor = Number.isNaN(value) ? value : same[i] === 1 ? scale : inside && distance > 0 ? (-scale * gap) / distance : 0;
    for (let k = at; k < at + d; k++) {
      const toX1 = factor === 0 ? 0 : factor * ((x1[k] as number) - (x2[k] as number));
      if (gradX1) gradX1[k] = toX1;
      if (gradX2) gradX2[k] = -toX1;
    }
    perExample[i] = value;
    total += value;
  }
  return scale * total;
}

/** R over positive ordered pairs of an anchor and another column of [d − posMargin]₊ plus R over negative ones of [negMargin − d]₊; mirrored for similarities. */
export function batchContrastiveLoss(op: BatchContrastiveOp): number {
  const { distance, posMargin, negMargin, reduction, gradX } = op;
  const batch = batchOf(op);
  const { labels } = batch;
  // With apart = −s both terms read alike: [apart − posAt]₊ and [negAt − apart]₊.
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  const excess = (i: number, j: number): number => {
    const value = batch.apart(i, j);
    return labels[i] === labels[j] ? value - sign * posMargin : sign * negMargin - value;
  };
  const groups = { positive: { sum: 0, active: 0, count: 0 }, negative: { sum: 0, active: 0, count: 0 } };
  const groupOf = (i: number, j: number) => (labels[i] === labels[j] ? groups.positive : groups.negative);
  let undefinedTerms = batch.anyInfinite;
  eachPair(batch, (i, j) => {
    const group = groupOf(i, j);
    const term = excess(i, j);
    undefinedTerms ||= Number.isNaN(term);
    group.count++;
    if (term <= 0) return;
    group.sum += term;
    group.active++;
  });
  if (undefinedTerms) {
    gradX?.fill(Number.NaN);
    return Number.NaN;
  }
  const scaleOf = ({ active, count }: { active: number; count: number }): number =>
    reduction === 'sum' ? 1 : 1 / Math.max(reduction === 'mean' ? count : active, 1);
  // A row alone takes part in nothing, whatever it holds.
  if (batch.columns < 2) gradX?.fill(0);
  else if (gradX) {
    eachPair(batch, (i, j) => {
      if (excess(i, j) > 0) batch.addGradient((labels[i] === labels[j] ? 1 : -1) * scaleOf(groupOf(i, j)), i, j);
    });
    batch.writeGradient(gradX);
  }
  return groups.positive.sum * scaleOf(groups.positive) + groups.negative.sum * scaleOf(groups.negative);
}

function eachPair({ n, columns }: Batch, visit: (i: number, j: number) => void): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < columns; j++) if (i !== j) visit(i, j);
}
