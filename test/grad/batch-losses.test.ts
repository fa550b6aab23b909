import { describe, it } from 'vitest';
import type { LabelledBatchOp } from '../../lib/ops/batch-losses.js';
import { pnpVariants } from '../../lib/ops/batch-losses.js';
import { reference } from '../../lib/reference/index.js';
import { cyclicLabels, normals } from '../helpers/data.js';
import { expectGradient } from '../helpers/gradcheck.js';

const [n, d] = [8, 3];
const labels = cyclicLabels(n, 3);
const perExample = new Float64Array(n);

/** The loss as a function of x, with the gradient that it writes. */
function expectBatchGradient(seed: number, loss: (op: LabelledBatchOp & { perExample: Float64Array }) => number): void {
  expectGradient({ x: normals(n * d, seed) }, (v, g) =>
    loss({ x: v.x as Float64Array, labels, n, d, perExample, gradX: g.x as Float64Array }),
  );
}

it.each([
  { scale: 1, normalize: true },
  { scale: 6, normalize: true },
  { scale: 0.3, normalize: false },
])('ncaLoss $scale, normalize $normalize', (options) => {
  expectBatchGradient(21, (op) => reference.ncaLoss({ ...op, ...options }));
});

it.each([0.4, 0.7, 1])('angularLoss at %s', (alpha) => {
  expectBatchGradient(22, (op) => reference.angularLoss({ ...op, alpha }));
});

it.each([1, 4, 10])('fastApLoss of %i bins', (numBins) => {
  expectBatchGradient(23, (op) => reference.fastApLoss({ ...op, numBins }));
});

describe.each([true, false])('marginLoss, normalize %s', (normalize) => {
  it.each([
    { beta: [1.2], nu: 0.3 },
    { beta: [0.9, 1.2, 1.6], nu: 0 },
  ])('β $beta', ({ beta, nu }) => {
    expectGradient({ x: normals(n * d, 24), beta: Float64Array.from(beta) }, (v, g) => {
      const op = { labels, n, d, margin: 0.4, nu, normalize, x: v.x as Float64Array, beta: v.beta as Float64Array };
      return reference.marginLoss({ ...op, gradX: g.x as Float64Array, gradBeta: g.beta as Float64Array });
    });
  });
});

it.each([
  { posEps: 0.01, negEps: 0.01 },
  { posEps: 0.3, negEps: 0.5 },
])('intraPairVarianceLoss $posEps $negEps', (options) => {
  expectBatchGradient(25, (op) => reference.intraPairVarianceLoss({ ...op, ...options }));
});

it.each([
  { margin: 0.1, s: 64 },
  { margin: 0.4, s: 4 },
])('tupletMarginLoss $margin $s', (options) => {
  expectBatchGradient(26, (op) => reference.tupletMarginLoss({ ...op, ...options }));
});

it.each([1, 20, 50])('histogramLoss of %i bins', (numBins) => {
  expectBatchGradient(27, (op) => reference.histogramLoss({ ...op, numBins }));
});

it.each(pnpVariants)('pnpLoss %s', (variant) => {
  for (const { b, alpha } of [
    { b: 2, alpha: 1 },
    { b: 0.7, alpha: 1.6 },
  ]) {
    expectBatchGradient(28, (op) => reference.pnpLoss({ ...op, variant, anneal: 0.2, b, alpha }));
  }
});

it.each([
  { margin: 0.4, alpha: 1.2, imbalance: 0.5, tPos: 0, tNeg: 10 },
  { margin: 0.6, alpha: 1.4, imbalance: 0.3, tPos: 4, tNeg: 3 },
])('rankedListLoss $tPos $tNeg', (options) => {
  expectBatchGradient(29, (op) => reference.rankedListLoss({ ...op, ...options }));
});

it('tcmLoss', () => {
  expectBatchGradient(30, (op) => reference.tcmLoss({ ...op, lambdaPlus: 0.5, lambdaMinus: 2, marginPlus: 0.8, marginMinus: 0.1 }));
});

it.each([
  { lambda: 25, mu: 25, nu: 1, eps: 1e-4 },
  { lambda: 0, mu: 3, nu: 0, eps: 0 },
  { lambda: 0, mu: 0, nu: 2, eps: 0 },
])('vicRegLoss $lambda $mu $nu', (options) => {
  // Deviations on both sides of 1, where the hinge ends.
  expectGradient({ x: normals(n * d, 31, 0.6), y: normals(n * d, 32, 1.1) }, (v, g) => {
    const op = { ...options, n, d, x: v.x as Float64Array, y: v.y as Float64Array };
    return reference.vicRegLoss({ ...op, gradX: g.x as Float64Array, gradY: g.y as Float64Array });
  });
});
