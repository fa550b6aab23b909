import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adaFace,
  arcFace,
  aSoftmax,
  batchContrastiveLoss,
  batchTripletLoss,
  centerLoss,
  combinedMargin,
  cosFace,
  createRandom,
  curricularFace,
  distances,
  lSoftmax,
  type Margin,
  type Matrix,
  magFace,
  marginSoftmax,
  matrix,
  normalizedSoftmax,
  p2sGrad,
  proxyAnchorLoss,
  proxyNcaLoss,
  softTriple,
  sphereFace2,
  sphereFaceR,
  subCenters,
  takeRows,
} from '../../lib/index.js';
import { batchLosses as pairLosses } from '../helpers/batch-losses.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const [n, d, classes] = [12, 4, 3];
const labels = cyclicLabels(n, classes);
const seeds = fc.integer({ min: 1, max: 1e9 });

/** Losses on one batch, by name; each a function of embeddings, labels and class rows. */
const batchLosses: Record<string, (x: Matrix, labels: Int32Array, w: Matrix) => number> = {
  batchContrastive: (x, y) => batchContrastiveLoss(x, y).loss,
  batchAll: (x, y) => batchTripletLoss(x, y, { mining: 'all' }).loss,
  batchHard: (x, y) => batchTripletLoss(x, y, { mining: 'batchHard' }).loss,
  semiHardClosest: (x, y) => batchTripletLoss(x, y, { mining: 'semiHardClosest' }).loss,
  ...Object.fromEntries(pairLosses.map(({ name, run }) => [name, (x: Matrix, y: Int32Array) => run(x, y).loss])),
  proxyNca: (x, y, w) => proxyNcaLoss(x, w, y, { scale: 4 }).loss,
  proxyAnchor: (x, y, w) => proxyAnchorLoss(x, w, y, { alpha: 8 }).loss,
  center: (x, y, w) => centerLoss(x, y, w).loss,
  lSoftmax: (x, y, w) => marginSoftmax(x, w, y, { margin: lSoftmax({ m: 2 }) }).loss,
  aSoftmax: (x, y, w) => marginSoftmax(x, w, y, { margin: aSoftmax({ m: 3 }) }).loss,
  cosFace: (x, y, w) => marginSoftmax(x, w, y, { margin: cosFace({ s: 8 }) }).loss,
  arcFace: (x, y, w) => marginSoftmax(x, w, y, { margin: arcFace({ s: 8 }) }).loss,
  sphereFaceR: (x, y, w) => marginSoftmax(x, w, y, { margin: sphereFaceR({ variant: 'v2', s: 8, lossWeight: 8 }) }).loss,
  sphereFace2: (x, y, w) => marginSoftmax(x, w, y, { margin: sphereFace2({ r: 8, lossWeight: 1 }) }).loss,
  adaFace: (x, y, w) => marginSoftmax(x, w, y, { margin: adaFace({ s: 8, tAlpha: 0.5, batchMean: 2, batchStd: 1 }) }).loss,
  magFace: (x, y, w) => marginSoftmax(x, w, y, { margin: magFace({ s: 8, lA: 1, uA: 3, lambdaG: 1, easyMargin: false }) }).loss,
  curricularFace: (x, y, w) => marginSoftmax(x, w, y, { margin: curricularFace({ s: 8, t: 0.3 }) }).loss,
  p2sGrad: (x, y, w) => marginSoftmax(x, w, y, { margin: p2sGrad() }).loss,
};

// One seed for all runs: a failure is then the same tomorrow.
fc.configureGlobal({ seed: 20180409, numRuns: 30 });

/** The same terms in another order: float64 sums of at most n³ = 1728 terms, 2⁻⁵³ of rounding each. */
const same = (a: number, b: number, relative = 1e-12): void =>
  expect(Math.abs(a - b)).toBeLessThanOrEqual(relative * Math.max(1, Math.abs(a)));

/**
 * Inputs that were rounded to float32 once more: each row moves by 2⁻²⁴ of its length at most, and so does each class row. The
 * losses here change by at most 32 times that (their scale 8, or 10 = 1/τ, and both of the logits that a softmax compares).
 */
const close = (a: number, b: number): void => expect(Math.abs(a - b)).toBeLessThanOrEqual(64 * 2 ** -24 * Math.max(1, Math.abs(a)));

const permuted = (y: Int32Array, order: Int32Array): Int32Array => order.map((i) => y[i] as number);

/** A random orthogonal matrix by Gram–Schmidt, applied to every row. */
function rotate(x: Matrix, seed: number): Matrix {
  const random = createRandom(seed);
  const basis: number[][] = [];
  while (basis.length < d) {
    const v = Array.from({ length: d }, () => random.normal());
    for (const b of basis) {
      const along = b.reduce((s, bi, i) => s + bi * (v[i] as number), 0);
      for (let i = 0; i < d; i++) v[i] = (v[i] as number) - along * (b[i] as number);
    }
    const norm = Math.hypot(...v);
    if (norm > 0.1) basis.push(v.map((c) => c / norm));
  }
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < x.shape[0]; i++)
    basis.forEach((b, k) => (data[i * d + k] = b.reduce((s, bj, j) => s + bj * (x.data[i * d + j] as number), 0)));
  return matrix(data, d);
}

onBothBackends('losses of a batch', (backend) => {
  // Natively the terms are float32's, in the order of the classes and of the rows in them.
  const expectSame = backend === 'ts' ? same : close;
  describe.each(Object.entries(batchLosses))('%s', (_name, loss) => {
    it('does not depend on the order of the batch', () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const x = normalMatrix(n, d, seed);
          const w = normalMatrix(classes, d, seed + 1);
          const order = Int32Array.from({ length: n }, (_, i) => i);
          createRandom(seed).shuffle(order);
          expectSame(loss(takeRows(x, order), permuted(labels, order), w), loss(x, labels, w));
        }),
      );
    });
    it('nor at ties, where only the choice among equals does', () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const random = createRandom(seed);
          // Rows of −1, 0 and 1: many coincide, more are equally far.
          const x = matrix(
            Float32Array.from({ length: n * d }, () => random.integer(3) - 1),
            d,
          );
          const w = normalMatrix(classes, d, seed + 1);
          const order = random.shuffle(Int32Array.from({ length: n }, (_, i) => i));
          expectSame(loss(takeRows(x, order), permuted(labels, order), w), loss(x, labels, w));
        }),
      );
    });
    it('does not change when everything is rotated', () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const x = normalMatrix(n, d, seed);
          const w = normalMatrix(classes, d, seed + 1);
          close(loss(rotate(x, seed), labels, rotate(w, seed)), loss(x, labels, w));
        }),
      );
    });
  });
});

describe('margins', () => {
  const scales = fc.double({ min: 0.01, max: 100, noNaN: true });
  const scaled = ({ data }: Matrix, by: number): Matrix =>
    matrix(
      data.map((v) => v * by),
      d,
    );
  const angular = [
    normalizedSoftmax({ temperature: 0.2 }),
    cosFace({ s: 8 }),
    arcFace({ s: 8 }),
    combinedMargin({ s: 8 }),
    sphereFaceR({ s: 8, lossWeight: 8 }),
    sphereFace2({ r: 8, lossWeight: 1 }),
    curricularFace({ s: 8 }),
    p2sGrad(),
  ];
  it.each(angular)('$kind does not see the length of rows and weights', (margin) => {
    fc.assert(
      fc.property(seeds, scales, scales, (seed, ofX, ofW) => {
        const x = normalMatrix(n, d, seed);
        const w = normalMatrix(classes, d, seed + 1);
        close(marginSoftmax(scaled(x, ofX), scaled(w, ofW), labels, { margin }).loss, marginSoftmax(x, w, labels, { margin }).loss);
      }),
    );
  });
  const monotone = [
    { name: 'cosFace', of: (m: number) => cosFace({ s: 8, m }), max: 1 },
    { name: 'arcFace linear', of: (m: number) => arcFace({ s: 8, m, overflow: 'linear' }), max: 1.5 },
    { name: 'sphereFace2 C', of: (m: number) => sphereFace2({ r: 8, m }), max: 1 },
    { name: 'sphereFace2 A', of: (m: number) => sphereFace2({ variant: 'A', r: 8, m }), max: 3 },
    { name: 'softTriple', of: (margin: number) => softTriple({ k: 1, margin }), max: 1 },
    { name: 'sphereFaceR v0', of: (m: number) => sphereFaceR({ variant: 'v0', s: 8, m: 1 + m }), max: 3 },
    { name: 'sphereFaceR v1', of: (m: number) => sphereFaceR({ variant: 'v1', s: 8, m: 1 + m }), max: 3 },
    { name: 'sphereFaceR v2', of: (m: number) => sphereFaceR({ variant: 'v2', s: 8, m: 1 + m }), max: 3 },
    { name: 'sphereFace2 M', of: (m: number) => sphereFace2({ variant: 'M', r: 8, m: 1 + m }), max: 3 },
    { name: 'arcFace clip', of: (m: number) => arcFace({ s: 8, m, overflow: 'clip' }), max: 1.5 },
  ];
  it.each(monotone)('$name loses more with a larger margin', ({ of, max }) => {
    const two = fc.tuple(fc.double({ min: 0, max, noNaN: true }), fc.double({ min: 0, max, noNaN: true }));
    fc.assert(
      fc.property(seeds, two, (seed, [a, b]) => {
        const x = normalMatrix(n, d, seed);
        const w = normalMatrix(classes, d, seed + 1);
        const loss = (m: number): number => marginSoftmax(x, w, labels, { margin: of(m), gradients: false }).loss;
        expect(loss(Math.max(a, b))).toBeGreaterThanOrEqual(loss(Math.min(a, b)) - 1e-12);
      }),
      { numRuns: 50 },
    );
  });
  it.each(['lSoftmax', 'aSoftmax'] as const)('%s loses more with each m', (kind) => {
    const make = { lSoftmax, aSoftmax }[kind];
    fc.assert(
      fc.property(seeds, (seed) => {
        const x = normalMatrix(n, d, seed);
        const w = normalMatrix(classes, d, seed + 1);
        const of = [1, 2, 3, 4, 5].map((m) => marginSoftmax(x, w, labels, { margin: make({ m }) }).loss);
        for (let i = 1; i < of.length; i++) expect(of[i]).toBeGreaterThanOrEqual((of[i - 1] as number) - 1e-12);
      }),
    );
  });
});

describe('sub-centers', () => {
  const k = 3;
  // The best of k is one of them in any order; SoftTriple adds them up, natively in float32: two logits of size 8 from 4 products, k exponentials and
  // their sums, 32 roundings in all.
  const limitOf = (margin: Margin): number | undefined => (margin.kind === 'softTriple' ? 2 * 8 * 32 * 2 ** -24 : undefined);
  const shuffledWithin = (w: Matrix, seed: number): Matrix => {
    const random = createRandom(seed);
    const order = Array.from({ length: w.shape[0] / k }, (_, c) =>
      Array.from(random.shuffle(Int32Array.of(0, 1, 2)), (r) => c * k + r),
    ).flat();
    return takeRows(w, Int32Array.from(order));
  };
  const repeated = (w: Matrix): Matrix =>
    takeRows(
      w,
      Int32Array.from({ length: k * w.shape[0] }, (_, r) => Math.floor(r / k)),
    );
  const inners = [
    arcFace({ s: 8 }),
    sphereFaceR({ s: 8 }),
    sphereFaceR({ variant: 'v2', s: 8 }),
    adaFace({ s: 8, tAlpha: 0.5 }),
    magFace({ s: 8, lA: 1, uA: 4 }),
    curricularFace({ s: 8, t: 0.2, momentum: 0.5 }),
  ];
  it.each([...inners.map((inner) => subCenters(k, inner)), softTriple({ k, la: 8 })])(
    '$kind $margin.kind does not see the order of a class’s rows',
    (margin) => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const x = normalMatrix(n, d, seed);
          const w = normalMatrix(classes * k, d, seed + 1);
          same(
            marginSoftmax(x, shuffledWithin(w, seed), labels, { margin }).loss,
            marginSoftmax(x, w, labels, { margin }).loss,
            limitOf(margin),
          );
        }),
      );
    },
  );
  it.each([
    ...inners.map((one) => ({ several: subCenters(k, one), one })),
    { several: softTriple({ k, la: 8, margin: 0.2 }), one: cosFace({ s: 8, m: 0.2 }) },
  ])('$several.kind of equal rows is $one.kind', ({ several, one }) => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const x = normalMatrix(n, d, seed);
        const w = normalMatrix(classes, d, seed + 1);
        same(
          marginSoftmax(x, repeated(w), labels, { margin: several }).loss,
          marginSoftmax(x, w, labels, { margin: one }).loss,
          limitOf(several),
        );
      }),
    );
  });
});

it.each(['squaredEuclidean', 'euclidean', 'manhattan', 'cosineDistance'] as const)(
  'self %s is symmetric with a zero diagonal',
  (metric) => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const out = distances(normalMatrix(n, d, seed), { metric }).data;
        for (let i = 0; i < n; i++) {
          expect(out[i * n + i]).toBe(0);
          for (let j = 0; j < n; j++) {
            expect(out[i * n + j]).toBe(out[j * n + i]);
            expect(out[i * n + j]).toBeGreaterThanOrEqual(0);
          }
        }
      }),
    );
  },
);
