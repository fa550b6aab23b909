// Intra-pair variance: how far pairs lie on the wrong side of their kind's mean similarity. Three sweeps: means, values, gradient.
import type { IntraPairVarianceOp } from '../ops/batch-losses.js';
import { countPairs, rowsOf } from './row-sweep.js';

export function intraPairVarianceLoss(op: IntraPairVarianceOp): number {
  const { posEps, negEps, gradX } = op;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, labels } = rows;
  const pairs = countPairs(rows);
  // Both kinds alike: u = [side·(bound·mean − s)]₊, mean of u².
  const kinds = {
    positive: { share: 1 / Math.max(pairs.positive, 1), side: 1, bound: 1 - posEps, mean: 0, first: 0, second: 0 },
    negative: { share: 1 / Math.max(pairs.negative, 1), side: -1, bound: 1 + negEps, mean: 0, first: 0, second: 0 },
  };
  const eachPair = (visit: (kind: typeof kinds.positive, similarity: number, j: number, derivatives: Float64Array) => void): void => {
    rows.sweep((i, s, derivatives) => {
      for (let j = 0; j < columns; j++) {
        if (j !== i) visit(labels[j] === labels[i] ? kinds.positive : kinds.negative, s[j] as number, j, derivatives);
      }
    });
  };
  const excess = ({ side, bound, mean }: typeof kinds.positive, similarity: number): number =>
    Math.max(0, side * (bound * mean - similarity));
  eachPair((kind, similarity) => {
    kind.mean += kind.share * similarity;
  });
  eachPair((kind, similarity) => {
    const u = excess(kind, similarity);
    kind.first += kind.share * u;
    kind.second += kind.share * u * u;
  });
  if (gradX) {
    eachPair((kind, similarity, j, derivatives) => {
      const { share, side, bound, first } = kind;
      // Each pair moves its own term and, through the mean, all of them.
      derivatives[j] = 2 * share * side * (bound * first - excess(kind, similarity));
    });
  }
  return rows.finish(kinds.positive.second + kinds.negative.second);
}
