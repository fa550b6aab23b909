import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { type BatchLoss, batchLosses } from '../helpers/batch-losses.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

type Result = ReturnType<BatchLoss['run']>;

const [n, d] = [10, 4];
const labels = cyclicLabels(n, 3);
const seeds = fc.integer({ min: 1, max: 1e9 });
const scaled = ({ data }: hs.Matrix, by: (row: number) => number): hs.Matrix =>
  hs.matrix(
    data.map((v, k) => v * by(Math.floor(k / d))),
    d,
  );

fc.configureGlobal({ seed: 20180409, numRuns: 30 });

onBothBackends('losses over pairs', (backend) => {
  // Of float64 sums, whose gradient is rounded to float32 at the end; or of float32 values, whose exponents are a few tens of them at most.
  const [lossRounding, gradientRounding] = backend === 'ts' ? [1e-12, 2 ** -22] : [2 ** -18, 2 ** -18];
  const expectGradient = (got: Result, expected: Result): void => {
    const [a, b] = [got.gradEmbeddings?.data as Float32Array, expected.gradEmbeddings?.data as Float32Array];
    const largest = b.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    a.forEach((g, k) => expect(Math.abs(g - (b[k] as number))).toBeLessThanOrEqual(gradientRounding * largest));
  };

  describe.each(batchLosses)('$name', ({ run }) => {
    it('knows labels by their equality alone', () => {
      fc.assert(
        fc.property(
          seeds,
          fc.uniqueArray(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 3, maxLength: 3 }),
          (seed, names) => {
            const x = normalMatrix(n, d, seed);
            const renamed = labels.map((y) => names[y] as number);
            const [plain, other] = [run(x, labels), run(x, renamed)];
            if (backend === 'ts') {
              expect(other).toEqual(plain);
            } else {
              // Columns come by class, so sums of float32 values come in another order.
              expect(Math.abs(other.loss - plain.loss)).toBeLessThanOrEqual(lossRounding * Math.max(1, plain.loss));
              expectGradient(other, plain);
            }
          },
        ),
      );
    });
    it('falls along its gradient', () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const x = normalMatrix(n, d, seed);
          const { loss, gradEmbeddings } = run(x, labels);
          const g = gradEmbeddings?.data as Float32Array;
          const square = g.reduce((sum, v) => sum + v * v, 0);
          if (square < 1e-6) return;
          // Some step of these must do; a loss of counts has kinks and jumps that a fixed one may meet.
          const steps = [1e-2, 1e-3, 1e-4, 1e-5].map(
            (h) =>
              run(
                hs.matrix(
                  x.data.map((v, k) => v - h * (g[k] as number)),
                  d,
                ),
                labels,
              ).loss,
          );
          expect(Math.min(...steps)).toBeLessThan(loss);
        }),
      );
    });
  });

  describe.each(batchLosses.filter(({ unit }) => unit))('$name of unit rows', ({ run }) => {
    it('does not see the length of rows', () => {
      fc.assert(
        fc.property(seeds, fc.array(fc.integer({ min: -30, max: 30 }), { minLength: n, maxLength: n }), (seed, exponents) => {
          const x = normalMatrix(n, d, seed);
          // Powers of 2: the scaled rows are exact, and what differs is the rounding of float64 alone.
          const by = (i: number): number => 2 ** (exponents[i] as number);
          const [plain, other] = [run(x, labels), run(scaled(x, by), labels)];
          expect(Math.abs(other.loss - plain.loss)).toBeLessThanOrEqual(lossRounding * Math.max(1, plain.loss));
          // The gradient falls as the row grows, and has no part along it.
          const [a, b] = [plain.gradEmbeddings?.data as Float32Array, other.gradEmbeddings?.data as Float32Array];
          const largest = a.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
          a.forEach((g, k) =>
            expect(Math.abs((b[k] as number) * by(Math.floor(k / d)) - g)).toBeLessThanOrEqual(gradientRounding * largest),
          );
          for (let i = 0; i < n; i++) {
            let [along, length] = [0, 0];
            for (let k = i * d; k < (i + 1) * d; k++) {
              along += (a[k] as number) * (x.data[k] as number);
              length += (x.data[k] as number) ** 2;
            }
            expect(Math.abs(along)).toBeLessThanOrEqual(d * (gradientRounding / 4) * largest * Math.sqrt(length) + 1e-40);
          }
        }),
      );
    });
  });
});

it('fastApLoss, histogramLoss and pnpLoss Dq lie in [0, 1]', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 50 }), (seed, numBins) => {
      const x = normalMatrix(n, d, seed);
      const losses = [
        hs.fastApLoss(x, labels, { numBins }),
        hs.histogramLoss(x, labels, { numBins }),
        hs.pnpLoss(x, labels, { variant: 'Dq' }),
      ];
      for (const { loss } of losses) {
        expect(loss).toBeGreaterThanOrEqual(0);
        expect(loss).toBeLessThanOrEqual(1 + 1e-12);
      }
    }),
  );
});

it('pnpLoss O at a low temperature counts the negatives before each positive', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const x = normalMatrix(n, d, seed);
      const s = hs.distances(x, { metric: 'cosineSimilarity' }).data;
      const at = (i: number, j: number): number => (i === j ? 1 : (s[i * n + j] as number));
      let mean = 0;
      for (let i = 0; i < n; i++) {
        const own = [...labels.keys()].filter((j) => labels[j] === labels[i]);
        for (const j of own) {
          const before = [...labels.keys()].filter((k) => labels[k] !== labels[i] && at(i, k) > at(i, j)).length;
          mean += before / own.length / n;
        }
      }
      // Similarities that float32 cannot tell apart would count by half; none of these 30 batches has them.
      expect(hs.pnpLoss(x, labels, { anneal: 1e-9 }).loss).toBeCloseTo(mean, 9);
    }),
  );
});

onBothBackends('vicRegLoss', (backend) => {
  // Natively covariances are sums of float32 products, in the order of the rows.
  const rounding = backend === 'ts' ? 1e-12 : 2 ** -20;
  const run = (x: hs.Matrix, y: hs.Matrix) => hs.vicRegLoss(x, y, { lambda: 2, mu: 3, nu: 4 });
  it('does not change when both views move, trade places or change their order together', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const [x, y] = [normalMatrix(n, d, seed, 0.7), normalMatrix(n, d, seed + 1, 0.7)];
        const { loss, gradX, gradY } = run(x, y);
        const swapped = run(y, x);
        const same = (value: number) => expect(Math.abs(value - loss)).toBeLessThanOrEqual(rounding * Math.max(1, loss));
        same(swapped.loss);
        expect([swapped.gradX, swapped.gradY]).toEqual([gradY, gradX]);
        const order = hs.createRandom(seed).shuffle(Int32Array.from({ length: n }, (_, i) => i));
        same(run(hs.takeRows(x, order), hs.takeRows(y, order)).loss);
        // Rounded to float32 at up to 8: 2⁻²² a coordinate, times slopes of at most some tens.
        const moved = ({ data }: hs.Matrix): hs.Matrix =>
          hs.matrix(
            data.map((v, k) => v + (k % d) + 1),
            d,
          );
        expect(Math.abs(run(moved(x), moved(y)).loss - loss)).toBeLessThanOrEqual(64 * 2 ** -22 * Math.max(1, loss));
      }),
    );
  });
});
