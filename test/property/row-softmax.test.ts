// What the losses over two matrices of unit rows promise: they do not see lengths, their gradients do not pull along a row, and rows that belong
// together may be given in any order.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createRandom,
  infoNceLoss,
  type Matrix,
  matrix,
  nPairsLoss,
  ntXentLoss,
  proxyAnchorLoss,
  proxyNcaLoss,
  setBackend,
  takeRows,
} from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

const [n, d] = [12, 4];
const seeds = fc.integer({ min: 1, max: 1e9 });
// The tolerances are those of float64 sums.
beforeAll(() => setBackend('ts'));
fc.configureGlobal({ seed: 20180409, numRuns: 30 });

interface Result {
  readonly loss: number;
  readonly gradients: readonly Matrix[];
}
/** Each over two matrices; the losses of embeddings and labels alone are in the table of batch losses. */
const losses: Record<string, (x: Matrix, y: Matrix) => Result> = {
  infoNce: (x, y) => {
    const { loss, gradX, gradY } = infoNceLoss(x, y, { symmetric: true });
    return { loss, gradients: [gradX, gradY] };
  },
  nPairs: (x, y) => {
    const { loss, gradAnchors, gradPositives } = nPairsLoss(x, y, { normalize: true });
    return { loss, gradients: [gradAnchors, gradPositives] };
  },
  proxyNca: (x, y) => ofProxies(proxyNcaLoss(x, y, onProxies)),
  proxyAnchor: (x, y) => ofProxies(proxyAnchorLoss(x, y, onProxies)),
};
const onProxies = cyclicLabels(n, n);
const ofProxies = ({ loss, gradEmbeddings, gradProxies }: { loss: number; gradEmbeddings: Matrix; gradProxies: Matrix }): Result => ({
  loss,
  gradients: [gradEmbeddings, gradProxies],
});

/** Every row times a power of two of its own, which rounds nothing. */
function stretched(x: Matrix, powers: Int32Array): Matrix {
  return matrix(
    x.data.map((v, at) => v * 2 ** (powers[Math.floor(at / d)] as number)),
    d,
  );
}
const someOrder = (seed: number): Int32Array => createRandom(seed).shuffle(Int32Array.from({ length: n }, (_, i) => i));
/** The same at most 2n² terms in another order, in float64: each within 1/τ = 15 of the cosines' rounding. */
const same = (a: number, b: number): void => expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(a)));

describe.each(Object.entries(losses))('%s', (_name, loss) => {
  it('does not see the length of rows, and its gradient has the inverse of it', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const [x, y] = [normalMatrix(n, d, seed), normalMatrix(n, d, seed + 1)];
        const random = createRandom(seed);
        const powers = [x, y].map(() => Int32Array.from({ length: n }, () => random.integer(41) - 20)) as [Int32Array, Int32Array];
        const [plain, long] = [loss(x, y), loss(stretched(x, powers[0]), stretched(y, powers[1]))];
        // Powers of two go through every product, root and quotient of the normalisation unrounded.
        expect(long.loss).toBe(plain.loss);
        long.gradients.forEach((grad, side) => {
          expect(stretched(grad, powers[side] as Int32Array).data).toEqual(plain.gradients[side]?.data);
        });
      }),
    );
  });
  it('pulls across rows, never along them', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const inputs = [normalMatrix(n, d, seed), normalMatrix(n, d, seed + 1)] as const;
        loss(...inputs).gradients.forEach((grad, side) => {
          const { data } = inputs[side] as Matrix;
          for (let i = 0; i < n; i++) {
            let [along, size] = [0, 0];
            for (let k = i * d; k < (i + 1) * d; k++) {
              along += (grad.data[k] as number) * (data[k] as number);
              size += Math.abs((grad.data[k] as number) * (data[k] as number));
            }
            // The gradient is rounded to float32 once; before that its radial part is what is left of float64 sums.
            expect(Math.abs(along)).toBeLessThanOrEqual(2 ** -24 * size + 1e-12);
          }
        });
      }),
    );
  });
});

describe('rows that belong together', () => {
  const pairs: Record<string, (x: Matrix, y: Matrix) => { loss: number; perExample: Float32Array }> = {
    infoNce: (x, y) => infoNceLoss(x, y),
    'infoNce, symmetric': (x, y) => infoNceLoss(x, y, { symmetric: true }),
    nPairs: (x, y) => nPairsLoss(x, y, { l2Reg: 0.1 }),
  };
  it.each(Object.entries(pairs))('%s takes them in any order', (_name, loss) => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const [x, y, order] = [normalMatrix(n, d, seed), normalMatrix(n, d, seed + 1), someOrder(seed)];
        same(loss(takeRows(x, order), takeRows(y, order)).loss, loss(x, y).loss);
      }),
    );
  });
  it('infoNce, symmetric, takes its arguments in either order, and is the mean of both directions', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const [x, y] = [normalMatrix(n, d, seed), normalMatrix(n, d, seed + 1)];
        const there = infoNceLoss(x, y, { symmetric: true });
        const back = infoNceLoss(y, x, { symmetric: true });
        same(there.loss, back.loss);
        expect(back.gradX).toEqual(there.gradY);
        same(there.loss, (infoNceLoss(x, y).loss + infoNceLoss(y, x).loss) / 2);
      }),
    );
  });
});

it('ntXentLoss on two views that are one has each of infoNceLoss’s negatives twice', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const x = normalMatrix(2, d, seed);
      const both = matrix(Float32Array.of(...x.data, ...x.data), d);
      const [a, b] = [ntXentLoss(both, [0, 1, 0, 1], { temperature: 0.5 }).loss, infoNceLoss(x, x, { temperature: 0.5 }).loss];
      // e^l = 1 + k·e^{v − u}, u and v the similarities of the positive and of the negative, k = 2 and 1.
      same(Math.expm1(a), 2 * Math.expm1(b));
    }),
  );
});
