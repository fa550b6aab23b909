// Histogram loss: the probability that a negative pair is at least as similar as a positive one, from soft histograms of both. Two sweeps.
import type { HistogramOp } from '../ops/batch-losses.js';
import { rowsOf } from './row-sweep.js';
import { softBins } from './soft-histogram.js';

export function histogramLoss(op: HistogramOp): number {
  const { n, numBins } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, labels, positives } = rows;
  // Rows of the memory are no anchors: a negative pair with one of them needs a positive of the batch's row.
  const anchored = (j: number): number => (j < n ? (positives[j] as number) : 0);
  const bins = softBins(-1, 1, numBins);
  const kinds = {
    positive: { counts: new Float64Array(numBins + 1), derivatives: new Float64Array(numBins + 1), pairs: 0 },
    negative: { counts: new Float64Array(numBins + 1), derivatives: new Float64Array(numBins + 1), pairs: 0 },
  };
  /** Calls `visit` with every pair i < j, i of the batch, that is part of a triplet: a positive pair with a negative to it, or a negative one with a positive. */
  const eachPair = (visit: (kind: typeof kinds.positive, similarity: number, j: number, derivatives: Float64Array) => void): void => {
    rows.sweep((i, s, derivatives) => {
      for (let j = i + 1; j < columns; j++) {
        const own = labels[j] === labels[i];
        const inTriplet = own ? anchored(i) < columns - 1 : anchored(i) + anchored(j) > 0;
        if (inTriplet) visit(own ? kinds.positive : kinds.negative, s[j] as number, j, derivatives);
      }
    });
  };
  eachPair((kind, similarity) => {
    bins.add(kind.counts, similarity);
    kind.pairs++;
  });
  const { positive, negative } = kinds;
  const share = 1 / Math.max(positive.pairs * negative.pairs, 1);
  let [below, loss] = [0, 0];
  for (let r = 0; r <= numBins; r++) {
    below += positive.counts[r] as number;
    loss += share * (negative.counts[r] as number) * below;
    negative.derivatives[r] = share * below;
  }
  let above = 0;
  for (let r = numBins; r >= 0; r--) {
    above += negative.counts[r] as number;
    positive.derivatives[r] = share * above;
  }
  if (op.gradX) {
    eachPair((kind, similarity, j, derivatives) => {
      derivatives[j] = bins.slope(kind.derivatives, similarity);
    });
  }
  return rows.finish(loss);
}
