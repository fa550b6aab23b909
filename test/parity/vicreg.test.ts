// VICReg on native products against the reference in float64, at every level and several thread counts, with bounds from the sums it is made of.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { type Matrix, matrix, setBackend, setIsa, setThreads, type VicRegLossOptions, vicRegLoss } from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { atEveryFmaLevel, describeLevels, describeNative, levels } from '../helpers/native.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

const at = (values: ArrayLike<number>, i: number) => values[i] as number;
const wide = (values: ArrayLike<number>) => Float64Array.from(values);
type Options = Required<Omit<VicRegLossOptions, 'gradients' | 'out'>>;

/** What rounding may make of the covariance terms of a view and of their gradient. */
function boundsOf({ data, shape: [n, d] }: Matrix, nu: number): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(n * d);
  if (n < 2) return { loss: 0, gradient };
  const centered = wide(data);
  for (let k = 0; k < d; k++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += at(data, i * d + k) / n;
    for (let i = 0; i < n; i++) centered[i * d + k] = at(centered, i * d + k) - mean;
  }
  let loss = 0;
  const factor = (4 * nu) / (d * (n - 1));
  for (let a = 0; a < d; a++) {
    for (let b = 0; b < d; b++) {
      if (a === b) continue;
      let [sum, size] = [0, 0];
      for (let i = 0; i < n; i++) {
        const term = (at(centered, i * d + a) * at(centered, i * d + b)) / (n - 1);
        sum += term;
        size += Math.abs(term);
      }
      const error = (n + 12) * roundoff * size;
      loss += (nu / d) * (2 * Math.abs(sum) + error) * error;
      const weight = factor * (error + (d + 12) * roundoff * Math.abs(sum));
      for (let i = 0; i < n; i++) gradient[i * d + a] = at(gradient, i * d + a) + weight * Math.abs(at(centered, i * d + b));
    }
  }
  return { loss, gradient };
}

function expectLoss(x: Matrix, y: Matrix, options: Options, what: string): void {
  const [n, d] = x.shape;
  const [gradX, gradY] = [new Float64Array(n * d), new Float64Array(n * d)];
  const loss = reference.vicRegLoss({ x: wide(x.data), y: wide(y.data), n, d, ...options, gradX, gradY });
  resetServed();
  const got = vicRegLoss(x, y, options);
  // Of one row there are no products.
  expect(servedBy(), what).toEqual([n < 2 ? 'ts' : 'native']);
  const [ofX, ofY] = [boundsOf(x, options.nu), boundsOf(y, options.nu)];
  if (Number.isNaN(loss)) expect(got.loss, what).toBeNaN();
  else expect(Math.abs(got.loss - loss), `${what}: ${got.loss} for ${loss}`).toBeLessThanOrEqual(ofX.loss + ofY.loss + 1e-12 * loss);
  // The parts of a gradient are rounded on their own: that of the distance, that of the deviation, and the rest.
  const share = (2 * options.lambda) / Math.max(n * d, 1);
  const own = ({ data }: Matrix, k: number) => {
    let [mean, square] = [0, 0];
    for (let i = k % d; i < n * d; i += d) mean += at(data, i) / n;
    for (let i = k % d; i < n * d; i += d) square += (at(data, i) - mean) ** 2 / Math.max(n - 1, 1);
    const deviation = Math.sqrt(square + options.eps);
    return deviation > 0 ? ((options.mu / deviation) * Math.abs(at(data, k) - mean)) / (d * Math.max(n - 1, 1)) : 0;
  };
  const limit = (view: Matrix, gradient: Float64Array) => (k: number) =>
    at(gradient, k) + 4 * roundoff * (share * Math.abs(at(x.data, k) - at(y.data, k)) + own(view, k)) + 2 ** -120;
  expectWithin(got.gradX.data, gradX, limit(x, ofX.gradient), `${what}: x`);
  expectWithin(got.gradY.data, gradY, limit(y, ofY.gradient), `${what}: y`);
  expect(vicRegLoss(x, y, { ...options, gradients: false }).loss).toBe(got.loss);
}

const plain: Options = { lambda: 25, mu: 25, nu: 1, eps: 1e-4 };
const shapes: [n: number, d: number][] = [
  [0, 3],
  [1, 5],
  [2, 1],
  [17, 3],
  [33, 40],
  [130, 17],
];
const changed = (x: Matrix, change: (value: number, k: number) => number): Matrix => matrix(x.data.map(change), x.shape[1]);

describeLevels('vicRegLoss', () => {
  it('of any shape', () => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const options of [plain, { lambda: 1, mu: 0, nu: 30, eps: 0 }, { lambda: 0, mu: 3, nu: 0, eps: 0 }]) {
        for (const scale of [0.1, 1, 1000]) {
          setThreads([1, 2, 3, 8][turn++ % 4] as number);
          expectLoss(
            normalMatrix(n, d, 1, scale),
            normalMatrix(n, d, 2, scale),
            options,
            `${n}, ${d}, ${scale}, ${JSON.stringify(options)}`,
          );
        }
      }
    }
  });
  it('of more blocks of columns than one', () => {
    setThreads(2);
    expectLoss(normalMatrix(3, 1600, 1), normalMatrix(3, 1600, 2), plain, 'wide');
  });
  it.each<[string, (value: number, k: number) => number]>([
    ['equal rows', (_, k) => k % 6],
    ['a constant column', (value, k) => (k % 6 === 2 ? 0.1 : value)],
    ['zero rows', (value, k) => (k < 24 ? 0 : value)],
    ['columns far from 0', (value, k) => value + 1e4 * (k % 6)],
    ['columns that hardly move', (value, k) => (k % 6 === 1 ? 1 + 1e-6 * value : value)],
    ['an infinite coordinate', (value, k) => (k === 8 ? Infinity : value)],
    ['a coordinate that is no number', (value, k) => (k === 8 ? Number.NaN : value)],
  ])('%s', (name, change) => {
    for (const eps of [0, 1e-4]) {
      const [x, y] = [changed(normalMatrix(12, 6, 1), change), normalMatrix(12, 6, 2)];
      expectLoss(x, y, { ...plain, eps }, `${name}, ${eps}`);
      expectLoss(y, x, { ...plain, eps }, `${name}, ${eps}`);
    }
  });
});

describeNative('vicRegLoss', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => setIsa(levels.at(-1) as (typeof levels)[number]));

  it('leaves views whose products are beyond float32, or below what it resolves, to the reference', () => {
    for (const scale of [1e15, 1e-20]) {
      for (const [of, other] of [
        [scale, 1],
        [1, scale],
      ] as const) {
        resetServed();
        expect(Number.isFinite(vicRegLoss(normalMatrix(5, 3, 1, of), normalMatrix(5, 3, 2, other)).loss)).toBe(true);
        expect(servedBy()).toEqual(['ts']);
      }
    }
  });
  it('has the same bits at every level with FMA and on any number of threads', () => {
    for (const [n, d] of [
      [17, 3],
      [256, 130],
      [3, 1600],
    ] as const) {
      const [x, y] = [normalMatrix(n, d, 1), normalMatrix(n, d, 2)];
      const runs = atEveryFmaLevel(() => {
        const { loss, gradX, gradY } = vicRegLoss(x, y);
        return [loss, bitsText(gradX.data), bitsText(gradY.data)];
      });
      for (const other of runs.slice(1)) expect(other).toEqual(runs[0]);
    }
  });
});
