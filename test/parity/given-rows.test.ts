// The native losses of given pairs and triplets of rows against the reference in float64, at every level and several thread counts, with
// bounds from the distances they are made of.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { contrastiveLoss, type Matrix, setBackend, setIsa, setThreads, type TripletLossOptions, tripletLoss } from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative, levels } from '../helpers/native.js';
import { bitsText, expectWithin, roundoff } from '../helpers/tolerance.js';

const shapes: [n: number, d: number][] = [
  [0, 3],
  [1, 1],
  [1, 128],
  [2, 17],
  [15, 16],
  [17, 3],
  [256, 33],
  [700, 128],
];
const wide = (values: ArrayLike<number>) => Float64Array.from(values);
const reductions = ['mean', 'sum'] as const;
const least = 2 ** -126;
const at = (values: ArrayLike<number>, i: number) => values[i] as number;
const expectLoss = (got: number, loss: number, limit: number, what: string) => {
  if (Object.is(got, loss)) return;
  expect(Math.abs(got - loss), `${what}: ${got} for ${loss}`).toBeLessThanOrEqual(limit);
};

/** ‖u − v + eps‖₂, and what rounding may make of it: half of that of its square. */
function distanceOf(u: Matrix, v: Matrix, i: number, eps = 0): { value: number; error: number } {
  const d = u.shape[1];
  let sum = 0;
  for (let k = i * d; k < (i + 1) * d; k++) sum += (at(u.data, k) - at(v.data, k) + eps) ** 2;
  return { value: Math.sqrt(sum), error: (d + 24) * roundoff * Math.sqrt(sum) };
}

function expectContrastive(x1: Matrix, x2: Matrix, same: Int32Array, margin: number, reduction: 'mean' | 'sum', what: string): void {
  const [n, d] = x1.shape;
  const [perExample, gradX1, gradX2] = [new Float64Array(n), new Float64Array(n * d), new Float64Array(n * d)];
  const loss = reference.contrastiveLoss({
    x1: wide(x1.data),
    x2: wide(x2.data),
    same,
    n,
    d,
    margin,
    reduction,
    perExample,
    gradX1,
    gradX2,
  });
  resetServed();
  const got = contrastiveLoss(x1, x2, same, { margin, reduction });
  expect(servedBy()).toEqual(['native']);
  const scale = reduction === 'mean' ? 1 / Math.max(n, 1) : 1;
  const limits = Float64Array.from(perExample, (value, i) => {
    const { value: distance, error } = distanceOf(x1, x2, i);
    return (same[i] === 1 ? distance : Math.max(margin - distance, 0) + error) * error + 2 * roundoff * value + least;
  });
  expectWithin(got.perExample, Float32Array.from(perExample), (i) => at(limits, i), `${what}: rows`);
  expectLoss(
    got.loss,
    loss,
    limits.reduce((sum, limit) => sum + scale * limit, 0),
    what,
  );
  const limit = (k: number) => {
    const i = Math.floor(k / d);
    const { value: distance, error } = distanceOf(x1, x2, i);
    const apart = Math.abs(at(x1.data, k) - at(x2.data, k));
    return scale * apart * (same[i] === 1 ? 4 * roundoff : (margin / distance + 1) * (error / distance + 4 * roundoff)) + least;
  };
  expectWithin(got.gradX1.data, Float32Array.from(gradX1), limit, `${what}: x1`);
  expectWithin(got.gradX2.data, Float32Array.from(gradX2), limit, `${what}: x2`);
  const without = contrastiveLoss(x1, x2, same, { margin, reduction, gradients: false });
  expect([without.loss, without.perExample]).toEqual([got.loss, got.perExample]);
}

type Triplets = readonly [anchor: Matrix, positive: Matrix, negative: Matrix];

function expectTriplet([a, p, m]: Triplets, options: Required<Omit<TripletLossOptions, 'gradients' | 'out'>>, what: string): void {
  const [n, d] = a.shape;
  const outputs = {
    perExample: new Float64Array(n),
    gradAnchor: new Float64Array(n * d),
    gradPositive: new Float64Array(n * d),
    gradNegative: new Float64Array(n * d),
  };
  const inputs = { anchor: wide(a.data), positive: wide(p.data), negative: wide(m.data), n, d };
  const loss = reference.tripletLoss({ ...inputs, ...options, ...outputs });
  const { distance, p: power, eps, ...rest } = options;
  const given = distance === 'euclidean' ? { ...rest, distance, p: power, eps } : { ...rest, distance };
  resetServed();
  const got = tripletLoss(a, p, m, given);
  expect(servedBy()).toEqual(['native']);
  const root = distance === 'euclidean';
  // Of another norm the bound is that of its Euclidean one or wider, since all is float64 there.
  const measure = (u: Matrix, v: Matrix, i: number) => {
    const { value, error } = distanceOf(u, v, i, eps);
    return root ? { value, error } : { value: value * value, error: 2 * value * error };
  };
  const scale = options.reduction === 'mean' ? 1 / Math.max(n, 1) : 1;
  const limits = new Float64Array(n);
  const slopes = new Float64Array(n * d);
  for (let i = 0; i < n; i++) {
    const [near, far, across] = [measure(a, p, i), measure(a, m, i), measure(p, m, i)];
    limits[i] = near.error + far.error + (options.swap ? across.error : 0) + 2 * roundoff * at(outputs.perExample, i) + least;
    // Where rounding decides whether a row counts, or which distance, all of its gradient hangs on that.
    const gap = Math.abs(near.value - Math.min(far.value, options.swap ? across.value : Infinity) + options.margin);
    const open = power === 2 && (gap <= at(limits, i) || (options.swap && Math.abs(across.value - far.value) <= across.error + far.error));
    for (let k = i * d; k < (i + 1) * d; k++) {
      const part = (u: Matrix, v: Matrix, of: { value: number }) =>
        of.value === 0 || of.value === Infinity ? 0 : Math.abs(at(u.data, k) - at(v.data, k) + eps) * (root ? 1 / of.value : 2);
      const parts = part(a, p, near) + part(a, m, far) + (options.swap ? part(p, m, across) : 0);
      slopes[k] = scale * parts * (open ? 1 : (d + 48) * roundoff) + least;
    }
  }
  expectWithin(got.perExample, Float32Array.from(outputs.perExample), (i) => at(limits, i), `${what}: rows`);
  const all = limits.reduce((sum, limit) => sum + scale * limit, 0);
  expectLoss(got.loss, loss, all, what);
  expectWithin(got.gradAnchor.data, Float32Array.from(outputs.gradAnchor), (k) => at(slopes, k), `${what}: anchor`);
  expectWithin(got.gradPositive.data, Float32Array.from(outputs.gradPositive), (k) => at(slopes, k), `${what}: positive`);
  expectWithin(got.gradNegative.data, Float32Array.from(outputs.gradNegative), (k) => at(slopes, k), `${what}: negative`);
  const without = tripletLoss(a, p, m, { ...given, gradients: false });
  expect([without.loss, without.perExample]).toEqual([got.loss, got.perExample]);
}

const forms = (['squaredEuclidean', 'euclidean'] as const).flatMap((distance) =>
  [false, true].flatMap((swap) =>
    (distance === 'euclidean' ? [0, 1e-6, 0.5] : [0]).map((eps) => ({ distance, swap, eps, p: 2, margin: 0.7 })),
  ),
);
const alternating = (n: number) => Int32Array.from({ length: n }, (_, i) => (i * 7) & 1);
const triplets = (n: number, d: number, scale: number): Triplets => [
  normalMatrix(n, d, 1, scale),
  normalMatrix(n, d, 2, scale),
  normalMatrix(n, d, 3, scale),
];

/** Rows where a sum of squares in float32 will not do, or there is no direction, beside rows where it will. */
const odd: Record<string, (values: Float32Array, other: Float32Array, d: number) => void> = {
  'coinciding rows': (x, other, d) => x.set(other.subarray(0, 2 * d)),
  'zero rows': (x, other, d) => other.fill(0, 0, d) && x.fill(0, 0, 2 * d),
  'nearly coinciding rows': (x, other, d) => x.set(other.subarray(0, 2 * d).map((value) => value * (1 + 2 ** -20))),
  'rows an eps apart': (x, other, d) => x.set(other.subarray(0, 4 * d).map((value) => value - 1e-6)),
  'rows half apart': (x, other, d) => x.set(other.subarray(0, 4 * d).map((value, k) => value - 0.5 + (k % d === 0 ? 1e-3 : 0))),
  'rows of 1e25': (x, _, d) => x.set(x.subarray(0, 2 * d).map((value) => 1e25 * value)),
  'rows at the end of float32': (x, other, d) => x.fill(3.4e38, 0, d) && other.fill(-3.4e38, 0, d),
  'rows of 1e-30': (x, other, d) => {
    for (const values of [x, other]) values.set(values.subarray(0, 3 * d).map((value) => 1e-30 * value));
  },
  'denormal rows': (x, other, d) => x.fill(3e-45, 0, d) && other.fill(0, 0, d),
  'an infinite row': (x, _, d) => x.fill(Infinity, 0, 1) && x.fill(-Infinity, 2 * d, 2 * d + 1),
  'a row that is no number': (x, _, d) => x.fill(Number.NaN, d, d + 1),
};

describeLevels('losses of given rows', () => {
  it('contrastive of any shape', () => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const margin of [0.5, 2 * Math.sqrt(d)]) {
        for (const reduction of reductions) {
          setThreads(([1, 2, 3, 8] as const)[turn++ % 4] as number);
          const [x1, x2] = [normalMatrix(n, d, 1), normalMatrix(n, d, 2)];
          expectContrastive(x1, x2, alternating(n), margin, reduction, `${n}, ${d}, ${margin}, ${reduction}`);
        }
      }
    }
  });

  it.each(forms)('triplets of any shape: %o', (form) => {
    let turn = 0;
    for (const [n, d] of shapes) {
      for (const reduction of reductions) {
        setThreads(([1, 2, 3, 8] as const)[turn++ % 4] as number);
        expectTriplet(triplets(n, d, 1 / Math.sqrt(d)), { ...form, reduction }, `${n}, ${d}, ${reduction}`);
      }
    }
  });

  it.each(Object.entries(odd))('%s', (name, change) => {
    for (const d of [1, 6, 17, 64]) {
      const [a, p, m] = triplets(8, d, 1);
      change(a.data, p.data, d);
      for (const same of [0, 1]) expectContrastive(a, p, new Int32Array(8).fill(same), 3, 'mean', `${name}, ${d}`);
      for (const form of forms) {
        for (const rows of [
          [a, p, m],
          [m, a, p],
          [p, m, a],
        ] as const) {
          expectTriplet(rows, { ...form, reduction: 'sum' }, `${name}, ${d}, ${JSON.stringify(form)}`);
        }
      }
    }
  });

  it.each([1, 1.5, 3, 40])('triplets by the %d-norm', (p) => {
    for (const [name, change] of Object.entries({ ...odd, plain: (..._rows: unknown[]) => undefined })) {
      const rows = triplets(8, 5, 1);
      change(rows[0].data, rows[1].data, 5);
      for (const eps of [0, 1e-6]) {
        for (const swap of [false, true]) {
          const options = { distance: 'euclidean', margin: 0.3, p, eps, swap, reduction: 'mean' } as const;
          expectTriplet(rows, options, `${name}, ${eps}, ${swap}`);
        }
      }
    }
  });

  it('an eps beyond float32, and one below it', () => {
    for (const eps of [1e300, 1e39, 1e-300]) {
      const rows = triplets(6, 5, 1);
      rows[0].data.set(rows[1].data);
      const options = { distance: 'euclidean', margin: 0.3, p: 2, eps, swap: false, reduction: 'sum' } as const;
      const [perExample, gradAnchor] = [new Float64Array(6), new Float64Array(30)];
      const inputs = { anchor: wide(rows[0].data), positive: wide(rows[1].data), negative: wide(rows[2].data), n: 6, d: 5 };
      const loss = reference.tripletLoss({ ...inputs, ...options, perExample, gradAnchor });
      const got = tripletLoss(...rows, options);
      expect(Math.abs(got.loss - loss)).toBeLessThanOrEqual(1e-12 * Math.max(Math.abs(loss), eps));
      expectWithin(got.gradAnchor.data, Float32Array.from(gradAnchor), () => 4 * roundoff, `eps ${eps}`);
    }
  });
});

describeNative('bits of the losses of given rows', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => setIsa(levels.at(-1) as (typeof levels)[number]));

  it('are the same at every level with FMA and any number of threads', () => {
    for (const [n, d] of [
      [17, 3],
      [257, 33],
      [3000, 128],
    ] as const) {
      const [a, p, m] = triplets(n, d, 1 / Math.sqrt(d));
      for (const change of Object.values(odd)) change(a.data.subarray(0, 5 * d), p.data.subarray(0, 5 * d), d);
      const runs = levels
        .filter((isa) => isa !== 'baseline')
        .flatMap((isa) => {
          setIsa(isa);
          return [1, 2, 3, 8].map((threads) => {
            setThreads(threads);
            const pairs = contrastiveLoss(a, m, alternating(n), { margin: 2 });
            const all = forms.map((form) => {
              const { distance, swap, margin, p: power, eps } = form;
              const options = distance === 'euclidean' ? { distance, swap, margin, p: power, eps } : { distance, swap, margin };
              const { loss, perExample, gradAnchor, gradPositive, gradNegative } = tripletLoss(a, p, m, options);
              return [loss, ...[perExample, gradAnchor.data, gradPositive.data, gradNegative.data].map(bitsText)];
            });
            return [pairs.loss, ...[pairs.perExample, pairs.gradX1.data, pairs.gradX2.data].map(bitsText), ...all];
          });
        });
      for (const other of runs.slice(1)) expect(other).toEqual(runs[0]);
    }
  });
});
