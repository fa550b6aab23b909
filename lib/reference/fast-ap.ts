// FastAP: average precision from soft histograms of one row's distances, one of its positives and one of its negatives.
import type { FastApOp } from '../ops/batch-losses.js';
import { anchorShare, rowsOf } from './row-sweep.js';
import { softBins } from './soft-histogram.js';

interface Histogram {
  readonly counts: Float64Array;
  readonly derivatives: Float64Array;
}

export function fastApLoss(op: FastApOp): number {
  const { numBins, perExample } = op;
  const rows = rowsOf(op, 'squaredEuclidean');
  const { columns, labels, positives } = rows;
  const share = anchorShare(rows);
  // Squared distances of unit rows lie in [0, 4].
  const bins = softBins(0, 4, numBins);
  const histogram = (): Histogram => ({ counts: new Float64Array(numBins + 1), derivatives: new Float64Array(numBins + 1) });
  const [own, others] = [histogram(), histogram()];
  let loss = 0;
  rows.sweep((i, squared, derivatives) => {
    perExample[i] = 0;
    const count = positives[i] as number;
    if (count === 0) return;
    own.counts.fill(0);
    others.counts.fill(0);
    const kindOf = (j: number): Histogram => (labels[j] === labels[i] ? own : others);
    for (let j = 0; j < columns; j++) if (j !== i) bins.add(kindOf(j).counts, squared[j] as number);
    const missed = imprecision(own, others, count);
    perExample[i] = missed;
    loss += share * missed;
    for (let j = 0; j < columns; j++) if (j !== i) derivatives[j] = share * bins.slope(kindOf(j).derivatives, squared[j] as number);
  });
  return rows.finish(loss);
}

/**
 * 1 − (1/P) Σ_l h⁺_l H⁺_l / H_l as (1/P) Σ_l h⁺_l H⁻_l / H_l, which is exactly 0 without negatives, and its derivatives by both histograms; H are
 * the cumulative counts, and Σ h⁺ = P whatever the distances are.
 */
function imprecision(own: Histogram, others: Histogram, count: number): number {
  let [reachedOwn, reachedOthers, missed] = [0, 0, 0];
  own.counts.forEach((h, l) => {
    reachedOwn += h;
    reachedOthers += others.counts[l] as number;
    const all = reachedOwn + reachedOthers;
    // The shares of both kinds up to this node; a node before all values has neither.
    own.derivatives[l] = all > 0 ? reachedOthers / all : 0;
    others.derivatives[l] = all > 0 ? h / all / count : 0;
    missed += (h * (own.derivatives[l] as number)) / count;
  });
  let [throughOwn, throughOthers] = [0, 0];
  for (let l = own.counts.length - 1; l >= 0; l--) {
    const wrong = own.derivatives[l] as number;
    const weight = others.derivatives[l] as number;
    throughOwn += weight * wrong;
    throughOthers += weight * (1 - wrong);
    own.derivatives[l] = wrong / count - throughOwn;
    others.derivatives[l] = throughOthers;
  }
  return missed;
}
