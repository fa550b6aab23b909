// The losses that compare each row with a whole batch, or with class proxies: values worked out by hand, and what is defined where formulas are not.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  circleLoss,
  infoNceLoss,
  liftedStructureLoss,
  type Matrix,
  matrix,
  minePairs,
  multiSimilarityLoss,
  normalize,
  nPairsLoss,
  ntXentLoss,
  proxyAnchorLoss,
  proxyNcaLoss,
  setBackend,
} from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

// The values here have the digits of float64 sums.
beforeAll(() => setBackend('ts'));

const { exp, log, log1p, E } = Math;
const line = (...positions: number[]): Matrix => matrix(Float32Array.from(positions), 1);
const plane = (...values: number[]): Matrix => matrix(Float32Array.from(values), 2);
/** Rows 0 and 1 point one way, row 2 is orthogonal and alone in its class. */
const [corner, two] = [plane(1, 0, 2, 0, 0, 3), [5, 5, 6]];

describe('by hand', () => {
  it('ntXentLoss', () => {
    expect(ntXentLoss(corner, two, { temperature: 1 }).loss).toBeCloseTo(log(1 + 1 / E), 14);
    expect(ntXentLoss(corner, two, { temperature: 0.5 }).loss).toBeCloseTo(log(1 + exp(-2)), 14);
  });
  it('ntXentLoss leaves the other positives out of the denominator', () => {
    // Rows 0, 1, 2 of one class at cosines 1 (0 and 1) and 0; the negative is opposite of rows 0 and 1.
    const x = plane(1, 0, 1, 0, 0, 1, -1, 0);
    const terms = [1, 0].map((s) => log1p(exp(-1 - s)));
    expect(ntXentLoss(x, [1, 1, 1, 2], { temperature: 1 }).loss).toBeCloseTo(
      (2 * ((terms[0] as number) + (terms[1] as number)) + 2 * log(2)) / 6,
      14,
    );
  });
  it('circleLoss', () => {
    const { loss, perExample } = circleLoss(corner, two, { m: 0.25, gamma: 1 });
    expect(loss).toBeCloseTo(log1p(exp(-2 * 0.0625)), 14);
    expect(perExample[2]).toBe(0);
    // 256·0.25·0.25 = 16 of each side.
    expect(circleLoss(corner, two, { m: 0.25, gamma: 256 }).loss).toBeCloseTo(exp(-32), 20);
  });
  it('multiSimilarityLoss', () => {
    const pair = log1p(exp(-1)) / 2 + log1p(exp(-25)) / 50;
    const alone = log1p(2 * exp(-25)) / 50;
    const { loss, perExample } = multiSimilarityLoss(corner, two);
    expect(loss).toBeCloseTo((2 * pair + alone) / 3, 14);
    expect([...perExample]).toEqual([pair, pair, alone].map(Math.fround));
    // The positive is 1 and the negative 0: neither is within 0.1 of the other, both are within 1.5; the row without a positive has nothing mined.
    expect(multiSimilarityLoss(corner, two, { epsilon: 0.1 }).loss).toBe(0);
    expect(multiSimilarityLoss(corner, two, { epsilon: 1.5 }).loss).toBeCloseTo((2 * pair) / 3, 14);
  });
  it('liftedStructureLoss', () => {
    const options = { normalize: false, negMargin: 1 };
    expect(liftedStructureLoss(line(0, 1, 3), [0, 0, 1], options).loss).toBeCloseTo(log(1 + 1 / E) ** 2 / 2, 14);
    expect(liftedStructureLoss(line(0, 1, 3), [0, 0, 1], { ...options, posMargin: 2 }).loss).toBe(0);
  });
  it('liftedStructureLoss generalized', () => {
    const options = { normalize: false, generalized: true };
    expect(liftedStructureLoss(line(0, 1, 3), [0, 0, 1], { ...options, negMargin: 1 }).loss).toBe(0);
    // Rows 0 and 1: the positive at 1, the negative at 3 and 2. Row 2 has no positive, whose logarithm counts as 0.
    expect(liftedStructureLoss(line(0, 1, 3), [0, 0, 1], { ...options, negMargin: 3 }).loss).toBeCloseTo((1 + 2 + log(1 + E)) / 3, 14);
    // One class: the positives' term alone, log(e^1 + e^3) and so on.
    const alone = [log(E + exp(3)), log(E + exp(2)), log(exp(3) + exp(2))];
    expect(liftedStructureLoss(line(0, 1, 3), [0, 0, 0], options).loss).toBeCloseTo(alone.reduce((sum, v) => sum + v, 0) / 3, 14);
  });
  it('infoNceLoss', () => {
    const [x, y] = [plane(1, 0, 0, 1), plane(0, 4, 0, 1)];
    expect(infoNceLoss(x, x, { temperature: 1 }).loss).toBeCloseTo(log(1 + 1 / E), 14);
    expect(infoNceLoss(x, y, { temperature: 1 }).loss).toBeCloseTo(log(2), 14);
    const { loss, perExample } = infoNceLoss(x, y, { temperature: 1, symmetric: true });
    const rows = [(log(2) + log(1 + E)) / 2, (log(2) + log(1 + 1 / E)) / 2] as const;
    expect([...perExample]).toEqual(rows.map(Math.fround));
    expect(loss).toBeCloseTo((rows[0] + rows[1]) / 2, 14);
    // Rows as they are: 0 0 and 4 1.
    expect(infoNceLoss(x, y, { temperature: 1, normalize: false }).loss).toBeCloseTo((log(2) + log(1 + exp(3))) / 2, 14);
  });
  it('nPairsLoss', () => {
    const [a, p] = [line(1, 2), line(3, -1)];
    const { loss, perExample } = nPairsLoss(a, p);
    expect([...perExample]).toEqual([log1p(exp(-4)), 8 + log1p(exp(-8))].map(Math.fround));
    expect(loss).toBeCloseTo((8 + log1p(exp(-4)) + log1p(exp(-8))) / 2, 14);
    expect(nPairsLoss(a, p, { l2Reg: 0.1 }).loss).toBeCloseTo(loss + 0.1 * (2.5 + 5), 14);
    // Beside unit rows the regulariser is still of the rows as they came.
    const unit = { normalize: true } as const;
    expect(nPairsLoss(a, p, { ...unit, l2Reg: 0.1 }).loss).toBeCloseTo(nPairsLoss(a, p, unit).loss + 0.1 * (2.5 + 5), 14);
  });
  it('proxyNcaLoss', () => {
    const r = proxyNcaLoss(plane(2, 0), plane(1, 0, 0, 5), [0], { scale: 3, logits: true });
    expect(r.loss).toBeCloseTo(log1p(exp(-6)), 14);
    expect([...(r.logits as Matrix).data].map(Math.abs)).toEqual([0, 6]);
    expect(r.perExample[0]).toBe(Math.fround(r.loss));
    expect(Object.keys(proxyNcaLoss(plane(2, 0), plane(1, 0, 0, 5), [0]))).not.toContain('logits');
  });
  it('proxyAnchorLoss', () => {
    const { loss } = proxyAnchorLoss(plane(2, 0), plane(1, 0, 0, 5), [0], { margin: 0.25, alpha: 2 });
    expect(loss).toBeCloseTo(log1p(exp(-1.5)) + log1p(exp(0.5)) / 2, 14);
    // Two rows of one class: the mean over classes is over the one in the batch.
    const rows = proxyAnchorLoss(plane(2, 0, 3, 0), plane(1, 0, 0, 5), [0, 0], { margin: 0.25, alpha: 2 });
    expect(rows.loss).toBeCloseTo(log1p(2 * exp(-1.5)) + log1p(2 * exp(0.5)) / 2, 14);
  });
});

const finite = ({ loss, gradEmbeddings }: { loss: number; gradEmbeddings: Matrix }): void => {
  expect(Number.isFinite(loss)).toBe(true);
  expect(gradEmbeddings.data.every(Number.isFinite)).toBe(true);
};
const proxyLosses: Record<string, (x: Matrix, labels: ArrayLike<number>) => { loss: number; gradEmbeddings: Matrix }> = {
  proxyNca: (x, labels) => proxyNcaLoss(x, normalMatrix(9, x.shape[1], 7), Int32Array.from(labels)),
  proxyAnchor: (x, labels) => proxyAnchorLoss(x, normalMatrix(9, x.shape[1], 7), Int32Array.from(labels)),
};

// The edges of the losses without proxies are those of the table of batch losses.
describe.each(Object.entries(proxyLosses))('%s', (_name, loss) => {
  it('of no rows and of one row', () => {
    const { loss: value, gradEmbeddings } = loss(matrix(new Float32Array(0), 2), []);
    expect([value, gradEmbeddings.data.length]).toEqual([0, 0]);
    finite(loss(normalMatrix(1, 2, 1), [0]));
  });
  it('of zero rows, duplicates and opposite rows', () => {
    finite(loss(plane(0, 0, 1, 1, 1, 1, -1, -1, 1, 1, 0, 0), [0, 0, 0, 1, 1, 1]));
    finite(loss(matrix(new Float32Array(12), 2), [0, 0, 0, 1, 1, 1]));
  });
  it('at scales near the ends of float32', () => {
    for (const scale of [2 ** 100, 2 ** -30]) {
      finite(
        loss(
          matrix(
            normalMatrix(6, 3, 2).data.map((v) => v * scale),
            3,
          ),
          cyclicLabels(6, 2),
        ),
      );
    }
  });
  it('of a NaN is NaN, and so are its gradients', () => {
    const broken = normalMatrix(6, 3, 1);
    broken.data[4] = Number.NaN;
    for (const bad of [broken, matrix(new Float32Array(18).fill(Number.NaN), 3)]) {
      const { loss: value, gradEmbeddings } = loss(bad, cyclicLabels(6, 2));
      expect(value).toBeNaN();
      expect(gradEmbeddings.data.every(Number.isNaN)).toBe(true);
    }
  });
});

it('identical rows have gradient 0 where only their distance counts', () => {
  const { loss, gradEmbeddings } = liftedStructureLoss(plane(1, 2, 1, 2, 1, 2), [0, 0, 1], { normalize: false });
  expect(loss).toBeCloseTo((1 + log(2)) ** 2 / 2, 14);
  expect(gradEmbeddings.data).toEqual(new Float32Array(6));
});

it('multiSimilarityLoss with epsilon is the loss over the pairs of minePairs', () => {
  const [n, d, alpha, beta, base] = [15, 4, 2, 20, 0.3];
  const [rows, labels] = [normalMatrix(n, d, 3), cyclicLabels(n, 4)];
  const unit = normalize(rows).data;
  const cosine = (i: number, j: number): number => {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += (unit[i * d + k] as number) * (unit[j * d + k] as number);
    return sum;
  };
  for (const epsilon of [0, 0.1, 0.5]) {
    const { positivePairs, negativePairs } = minePairs(rows, labels, { epsilon });
    expect(positivePairs.shape[0] * negativePairs.shape[0]).toBeGreaterThan(0);
    const sums = [new Float64Array(n), new Float64Array(n)] as const;
    [positivePairs, negativePairs].forEach(({ data }, side) => {
      for (let t = 0; t < data.length; t += 2) {
        const [i, j] = [data[t] as number, data[t + 1] as number];
        const logit = side === 0 ? -alpha * (cosine(i, j) - base) : beta * (cosine(i, j) - base);
        const sum = sums[side] as Float64Array;
        sum[i] = (sum[i] as number) + exp(logit);
      }
    });
    let expected = 0;
    for (let i = 0; i < n; i++) expected += (log1p(sums[0][i] as number) / alpha + log1p(sums[1][i] as number) / beta) / n;
    // The cosines here are of rows rounded to float32, √d·2⁻²⁴ off at most with each of the two; both terms have slopes of at most 1.
    expect(Math.abs(multiSimilarityLoss(rows, labels, { alpha, beta, base, epsilon }).loss - expected)).toBeLessThan(
      2 * 2 * Math.sqrt(d) * 2 ** -24,
    );
  }
});

describe('two matrices', () => {
  const [a, b] = [normalMatrix(5, 3, 1), normalMatrix(5, 3, 2)];
  const losses: Record<string, (x: Matrix, y: Matrix) => { loss: number; grads: Matrix[] }> = {};
  for (const normalize of [true, false]) {
    losses[`infoNce, normalize ${normalize}`] = (x, y) => {
      const r = infoNceLoss(x, y, { normalize, symmetric: normalize });
      return { loss: r.loss, grads: [r.gradX, r.gradY] };
    };
    losses[`nPairs, normalize ${normalize}`] = (x, y) => {
      const r = nPairsLoss(x, y, { normalize, l2Reg: normalize ? 0.1 : 0 });
      return { loss: r.loss, grads: [r.gradAnchors, r.gradPositives] };
    };
  }
  const row = matrix(a.data.slice(0, 3), 3);
  it.each(Object.entries(losses))('%s: NaN, no rows, one row, zero rows, long rows', (_name, loss) => {
    const broken = matrix(a.data.slice(), 3);
    broken.data[7] = Number.NaN;
    for (const { loss: value, grads } of [loss(broken, b), loss(b, broken)]) {
      expect(value).toBeNaN();
      for (const grad of grads) expect(grad.data.every(Number.isNaN)).toBe(true);
    }
    expect(loss(matrix(new Float32Array(0), 3), matrix(new Float32Array(0), 3)).loss).toBe(0);
    const long = matrix(
      a.data.map((v) => v * 2 ** 50),
      3,
    );
    for (const [x, y] of [
      [row, row],
      [matrix(new Float32Array(15), 3), b],
      [long, b],
      [long, long],
    ] as const) {
      const { loss: value, grads } = loss(x, y);
      expect(Number.isFinite(value)).toBe(true);
      for (const grad of grads) expect(grad.data.every(Number.isFinite)).toBe(true);
    }
  });
  it('one pair has nothing to be told apart from', () => {
    expect(infoNceLoss(row, row, { symmetric: true })).toMatchObject({ loss: 0, gradX: { data: new Float32Array(3) } });
    expect(nPairsLoss(row, row)).toMatchObject({ loss: 0, gradPositives: { data: new Float32Array(3) } });
  });
});

it('proxies without rows, and no rows at all', () => {
  const proxies = normalMatrix(4, 3, 3);
  const empty = matrix(new Float32Array(0), 3);
  for (const loss of [proxyNcaLoss, proxyAnchorLoss] as (typeof proxyAnchorLoss)[]) {
    const r = loss(empty, proxies, []);
    expect([r.loss, ...r.gradProxies.data]).toEqual([0, ...new Float32Array(12)]);
    const broken = matrix(proxies.data.slice(), 3);
    broken.data[10] = Number.NaN;
    const { loss: value, gradEmbeddings, gradProxies } = loss(normalMatrix(2, 3, 4), broken, [0, 1]);
    expect(value).toBeNaN();
    expect([...gradEmbeddings.data, ...gradProxies.data].every(Number.isNaN)).toBe(true);
  }
});
