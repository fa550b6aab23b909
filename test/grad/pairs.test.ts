import { describe, it } from 'vitest';
import { pairDistances, tripletStrategies } from '../../lib/ops/pairs.js';
import { centerLoss } from '../../lib/reference/center.js';
import { batchContrastiveLoss, contrastiveLoss } from '../../lib/reference/contrastive.js';
import { supConLoss } from '../../lib/reference/supcon.js';
import { batchTripletLoss, tripletLoss } from '../../lib/reference/triplet.js';
import { cyclicLabels, normals } from '../helpers/data.js';
import { expectGradient, type Inputs } from '../helpers/gradcheck.js';

const [n, d] = [8, 3];
const labels = cyclicLabels(n, 3);
const of = (inputs: Inputs, name: string): Float64Array => inputs[name] as Float64Array;

it.each(['mean', 'sum'] as const)('contrastiveLoss %s', (reduction) => {
  const op = { same: Int32Array.of(1, 0, 1, 0, 0, 1, 0, 0), n, d, margin: 3, reduction, perExample: new Float64Array(n) };
  expectGradient({ x1: normals(n * d, 1), x2: normals(n * d, 2) }, (v, g) =>
    contrastiveLoss({ ...op, x1: of(v, 'x1'), x2: of(v, 'x2'), gradX1: of(g, 'x1'), gradX2: of(g, 'x2') }),
  );
});

describe.each(pairDistances)('on %s', (distance) => {
  describe.each([true, false])('normalize %s', (normalize) => {
    const shared = { labels, n, d, distance, normalize };
    it('batchContrastiveLoss', () => {
      const margins = distance === 'cosineSimilarity' ? { posMargin: 1, negMargin: 0 } : { posMargin: 0.1, negMargin: 2 };
      expectGradient({ x: normals(n * d, 3) }, (v, g) =>
        batchContrastiveLoss({ ...shared, ...margins, reduction: 'meanPositive', x: of(v, 'x'), gradX: of(g, 'x') }),
      );
    });
    it.each(tripletStrategies.filter((s) => s !== 'easy'))('batchTripletLoss %s', (mining) => {
      expectGradient(
        { x: normals(n * d, 4) },
        (v, g) =>
          batchTripletLoss({
            ...shared,
            mining,
            margin: 0.7,
            seed: 1,
            reduction: 'meanPositive',
            swap: false,
            soft: false,
            x: of(v, 'x'),
            gradX: of(g, 'x'),
          }).loss,
      );
    });
    it('batchTripletLoss swap and soft, over all triplets', () => {
      expectGradient(
        { x: normals(n * d, 5) },
        (v, g) =>
          batchTripletLoss({
            ...shared,
            mining: 'all',
            margin: 0.7,
            seed: 1,
            reduction: 'mean',
            swap: true,
            soft: true,
            x: of(v, 'x'),
            gradX: of(g, 'x'),
          }).loss,
      );
    });
  });
});

it.each([1, 0.1])('supConLoss at temperature %s', (temperature) => {
  const op = { labels, n, d, temperature, perExample: new Float64Array(n) };
  expectGradient({ x: normals(n * d, 11) }, (v, g) => supConLoss({ ...op, x: of(v, 'x'), gradX: of(g, 'x') }));
});

const rows = [
  { distance: 'squaredEuclidean', p: 2, eps: 0, swap: false },
  { distance: 'euclidean', p: 2, eps: 1e-6, swap: true },
  { distance: 'euclidean', p: 3, eps: 1e-6, swap: false },
] as const;
it.each(rows)('tripletLoss $distance p $p swap $swap', (options) => {
  const op = { ...options, n, d, margin: 2, reduction: 'mean' as const, perExample: new Float64Array(n) };
  const inputs = { a: normals(n * d, 6), p: normals(n * d, 7), n: normals(n * d, 8) };
  expectGradient(inputs, (v, g) =>
    tripletLoss({
      ...op,
      anchor: of(v, 'a'),
      positive: of(v, 'p'),
      negative: of(v, 'n'),
      gradAnchor: of(g, 'a'),
      gradPositive: of(g, 'p'),
      gradNegative: of(g, 'n'),
    }),
  );
});

it.each(['halfSum', 'halfMean', 'mean'] as const)('centerLoss %s', (reduction) => {
  const op = { labels, n, d, classes: 3, reduction, perExample: new Float64Array(n) };
  expectGradient({ x: normals(n * d, 9), c: normals(3 * d, 10) }, (v, g) =>
    centerLoss({ ...op, x: of(v, 'x'), centers: of(v, 'c'), gradX: of(g, 'x'), gradCenters: of(g, 'c') }),
  );
});
