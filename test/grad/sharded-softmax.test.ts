// The two phases of an op over shards, folded by what the head folds with, against central differences: float64 all the way.
import { describe, it } from 'vitest';
import type { Collective } from '../../lib/collective.js';
import { foldStatistics } from '../../lib/heads/sharding.js';
import type { Margin } from '../../lib/index.js';
import * as hs from '../../lib/index.js';
import { elsewhere, type MarginSoftmaxOp } from '../../lib/ops/softmax.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { normals } from '../helpers/data.js';
import { expectGradient } from '../helpers/gradcheck.js';

const [n, d, classes] = [4, 3, 7];
const labels = Int32Array.of(6, 0, -100, 3);
const bounds = [0, 3, 5, classes];

/** The loss of three shards that run one after another; gradients into gradX and gradW where given. */
function sharded(margin: Margin, k: number, x: Float64Array, w: Float64Array, gradX: Float64Array, gradW: Float64Array): number {
  const ops = bounds.slice(1).map((to, rank): MarginSoftmaxOp => {
    const from = bounds[rank] as number;
    return {
      x,
      weights: w.subarray(from * k * d, to * k * d),
      labels: labels.map((y) => (y < 0 ? y : y >= from && y < to ? y - from : elsewhere)),
      n,
      classes: to - from,
      d,
      margin,
      workspaceBytes: 1,
      reduction: 'mean',
      labelSmoothing: 0,
      ignoreIndex: -100,
      perExample: new Float64Array(n),
      exchange: { phase: 'forward', statistics: new Float64Array(4 * n), allClasses: classes },
    };
  });
  for (const op of ops) marginSoftmax(op);
  const all = Float64Array.from(ops.flatMap((op) => [...(op.exchange?.statistics ?? [])]));
  let loss = 0;
  gradX.fill(0);
  ops.forEach((op, rank) => {
    const statistics = new Float64Array(4 * n);
    foldStatistics({ rank, size: 3, allGather: () => all } as unknown as Collective, statistics);
    const part = new Float64Array(n * d);
    const gradWeights = gradW.subarray((bounds[rank] as number) * k * d, (bounds[rank + 1] as number) * k * d);
    const exchange = { phase: 'backward', statistics, allClasses: classes } as const;
    loss = marginSoftmax({ ...op, gradX: part, gradWeights, exchange }).loss;
    part.forEach((g, i) => (gradX[i] = (gradX[i] as number) + g));
  });
  return loss;
}

const margins: [Margin, number][] = [
  [hs.softmaxMargin(), 1],
  [hs.lSoftmax({ m: 2, lambda: 1 }), 1],
  [hs.aSoftmax({ m: 3 }), 1],
  [hs.cosFace({ s: 4, m: 0.2 }), 1],
  [hs.arcFace({ s: 4, m: 0.3 }), 1],
  [hs.magFace({ s: 4, lA: 0.1, uA: 9 }), 1],
  [hs.subCenters(2, hs.arcFace({ s: 4, m: 0.3 })), 2],
  [hs.subCenters(2, hs.sphereFaceR({ variant: 'v2', s: 4, m: 1.3 })), 2],
  [hs.subCenters(2, hs.magFace({ s: 4, lA: 0.1, uA: 9 })), 2],
  [hs.softTriple({ k: 2, la: 4 }), 2],
];

describe('three shards', () => {
  it.each(margins)('$kind', (margin, k) => {
    expectGradient({ x: normals(n * d, 1), w: normals(classes * k * d, 2) }, (v, g) =>
      sharded(margin, k, v['x'] as Float64Array, v['w'] as Float64Array, g['x'] as Float64Array, g['w'] as Float64Array),
    );
  });
});
