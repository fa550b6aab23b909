import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { batchLosses } from '../helpers/batch-losses.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

const line = (...positions: number[]) => hs.matrix(Float32Array.from(positions), 1);
const plane = (...coordinates: number[]) => hs.matrix(Float32Array.from(coordinates), 2);
const zeros = (length: number) => new Float32Array(length);

describe('values worked out by hand', () => {
  // A pair at a right angle, and a row of another class upon its first.
  const [x, labels] = [plane(1, 0, 0, 2, 3, 0), [4, 4, -7]] as const;
  // A pair that coincides, and a row of another class at a right angle.
  const apart = plane(1, 0, 2, 0, 0, 3);
  const logistic = (u: number): number => Math.log1p(Math.exp(u));
  /** That float32 values and bounds keep. */
  const digits = () => (hs.info().backend === 'native' ? 6 : 14);

  it('ncaLoss', () => {
    const { loss, perExample } = hs.ncaLoss(line(0, 1, 3), labels, { normalize: false });
    expect(loss).toBeCloseTo((logistic(-8) + logistic(-3)) / 2, 14);
    expect([...perExample]).toEqual([logistic(-8), logistic(-3), 0].map(Math.fround));
  });
  it('angularLoss', () => {
    // tan²α = 1: 4·0 − 4·1 for both orders of the pair.
    expect(hs.angularLoss(apart, labels, { alpha: Math.PI / 4 }).loss).toBeCloseTo(logistic(-4), 14);
  });
  it('fastApLoss', () => {
    // Nodes at 0, 2, 4. The first row finds the other class before its positive, the second at the same distance.
    const { loss, perExample } = hs.fastApLoss(x, labels, { numBins: 2 });
    expect(loss).toBe(0.5);
    expect([...perExample]).toEqual([0.5, 0.5, 0]);
    expect(hs.fastApLoss(apart, labels).loss).toBe(0);
    expect(hs.fastApLoss(x, [1, 1, 1]).loss).toBe(0);
  });
  it('marginLoss, its β and its regulariser', () => {
    // Around β = 1 within 0.25: 0.25 and 0.125 of the first anchor, 0.25 and 1.125 of the second.
    const on = line(0, 1, 1.125);
    const raw = { normalize: false, margin: 0.25 };
    const { loss, gradBeta } = hs.marginLoss(on, labels, Float32Array.of(1), raw);
    expect(loss).toBe(1.75 / 4);
    expect([...gradBeta]).toEqual([0]);
    const regularised = hs.marginLoss(on, labels, Float32Array.of(1), { ...raw, nu: 0.5 });
    expect(regularised.loss).toBe(1.75 / 4 + 0.5);
    expect([...regularised.gradBeta]).toEqual([0.5]);
    // β of the anchor's class: at 0.5 the negative of the first is out of reach; the other class anchors nothing.
    const perClass = hs.marginLoss(on, [1, 1, 0], Float32Array.of(9, 0.5), raw);
    expect(perClass.loss).toBeCloseTo((0.75 + 0.75 + 0.625) / 3, 14);
    expect([...perClass.gradBeta]).toEqual([0, Math.fround(-1 / 3)]);
  });
  it('intraPairVarianceLoss', () => {
    // s⁺ of one class: 1, 0, 0, with mean 1/3.
    expect(hs.intraPairVarianceLoss(apart, [1, 1, 1], { posEps: 0 }).loss).toBeCloseTo(2 / 27, digits());
    // s⁻ of three: the same, twice beyond the mean by 2/3.
    expect(hs.intraPairVarianceLoss(apart, [1, 2, 3], { negEps: 0 }).loss).toBeCloseTo(4 / 27, digits());
  });
  it('tupletMarginLoss', () => {
    expect(hs.tupletMarginLoss(apart, labels, { margin: Math.PI / 3, s: 2 }).loss).toBeCloseTo(logistic(-1), 14);
  });
  it('histogramLoss, over pairs that are part of a triplet', () => {
    // Nodes at −1, 0, 1: h⁺ = (0, 1, 0), h⁻ = (0, ½, ½).
    expect(hs.histogramLoss(x, labels, { numBins: 2 }).loss).toBe(1);
    // One more class of one row: its pair with the other such class does not count, so h⁻ = (¼, ½, ¼).
    expect(hs.histogramLoss(plane(1, 0, 0, 2, 3, 0, -1, 0), [4, 4, 5, 6], { numBins: 2 }).loss).toBe(0.75);
  });
  it('pnpLoss', () => {
    const digits = hs.info().backend === 'native' ? 6 : 14;
    const r = 1 / (1 + Math.E);
    const of = { O: r, Ds: Math.log(1 + r), Dq: 1 - (1 + r) ** -3, Iu: (1 + r) * Math.log(1 + r), Ib: (4 * r - Math.log(1 + 4 * r)) / 16 };
    for (const [variant, value] of Object.entries(of)) {
      const options = { variant: variant as hs.PnpVariant, anneal: 1, alpha: 3, b: 4 };
      expect(hs.pnpLoss(apart, labels, options).loss, variant).toBeCloseTo(value, digits);
    }
    // Beyond ±50 the count stands still.
    const { loss, gradEmbeddings } = hs.pnpLoss(apart, labels, { anneal: 0.01 });
    expect(loss * (1 + Math.exp(50))).toBeCloseTo(1, digits);
    expect(gradEmbeddings.data).toEqual(zeros(6));
  });
  it('rankedListLoss', () => {
    const options = { margin: 0.5, alpha: 1, imbalance: 0.25, tPos: 0, tNeg: 2 };
    const near = (0.75 * (Math.SQRT2 - 0.5)) / (1 + 3e-5);
    const far = (0.25 * Math.exp(2)) / (Math.exp(2) + 3e-5);
    const { loss, perExample } = hs.rankedListLoss(x, labels, options);
    expect(loss).toBeCloseTo((2 * near + 2 * far) / 3, digits());
    [near + far, near, far].forEach((value, i) => {
      expect(perExample[i]).toBeCloseTo(value, 6);
    });
  });
  it('rankedListLoss takes alpha from the margin', () => {
    expect(hs.rankedListLoss(x, labels, { margin: 0.6 })).toEqual(hs.rankedListLoss(x, labels, { margin: 0.6, alpha: 1.3 }));
    expect(hs.rankedListLoss(x, labels)).toEqual(hs.rankedListLoss(x, labels, { margin: 0.4, alpha: 1.2 }));
  });
  it('tcmLoss counts the pairs on the margin', () => {
    expect(hs.tcmLoss(x, labels).loss).toBeCloseTo(0.9 + 0.5, digits());
    // s = 1 and 0 at a margin of 0: both pairs, mean ½.
    expect(hs.tcmLoss(x, labels, { lambdaPlus: 0, lambdaMinus: 3, marginMinus: 0 }).loss).toBe(1.5);
  });
  it('vicRegLoss', () => {
    const { loss, gradX, gradY } = hs.vicRegLoss(line(0, 2), line(1, 1));
    expect(loss).toBeCloseTo(25 + (25 * 0.99) / 2, 13);
    expect([...gradX.data]).toEqual([-25, 25]);
    expect([...gradY.data]).toEqual([25, -25]);
    // Two equal columns of variance 2: 2·2²/2 a view.
    expect(hs.vicRegLoss(plane(0, 0, 2, 2), plane(0, 0, 2, 2), { nu: 3 }).loss).toBe(24);
    // No variance and no eps to hold the root: a slope of 0, not of infinity.
    expect([...hs.vicRegLoss(line(1, 1), line(1, 1), { eps: 0 }).gradX.data]).toEqual([0, 0]);
  });
});

describe.each(batchLosses)('$name', ({ needs, unit, run }) => {
  const x = normalMatrix(6, 3, 1);
  const pairs = cyclicLabels(6, 3);
  const expectNothing = (result: ReturnType<typeof run>, rows: number): void => {
    expect(result.loss).toBe(0);
    expect(result.gradEmbeddings?.data.every((g) => g === 0)).toBe(true);
    expect(result.gradEmbeddings?.shape).toEqual([rows, 3]);
    if (result.perExample) expect(result.perExample).toEqual(zeros(rows));
    if (result.gradBeta) expect(result.gradBeta).toEqual(zeros(1));
  };
  it('is 0 for no row and for one row, even of NaN', () => {
    expectNothing(run(hs.matrix(zeros(0), 3), []), 0);
    expectNothing(run(normalMatrix(1, 3, 1), [5]), 1);
    expectNothing(run(hs.matrix(zeros(3).fill(Number.NaN), 3), [5]), 1);
  });
  it('is 0 for one class and for all different ones, where it needs both kinds of pairs', () => {
    for (const labels of [Int32Array.of(7, 7, 7, 7, 7, 7), Int32Array.of(1, 2, 3, 4, 5, 6)]) {
      const result = run(x, labels);
      if (needs === 'both') expectNothing(result, 6);
      else expect(result.loss).toBeGreaterThan(0);
    }
  });
  it('is the same without gradients and into the caller’s memory', () => {
    const full = run(x, pairs);
    expect(full.loss).toBeGreaterThan(0);
    const { gradEmbeddings: _, gradBeta: __, ...rest } = full;
    expect(run(x, pairs, { gradients: false })).toEqual(rest);
    const gradEmbeddings = hs.matrix(zeros(18).fill(9), 3);
    const given = run(x, pairs, { out: { gradEmbeddings } });
    expect(given).toEqual(full);
    expect(given.gradEmbeddings?.data).toBe(gradEmbeddings.data);
  });
  it('has no gradient where all rows coincide', () => {
    const { loss, gradEmbeddings } = run(hs.matrix(Float32Array.of(3, 4, 0, 3, 4, 0, 3, 4, 0, 3, 4, 0), 3), [1, 1, 2, 2]);
    expect(Number.isFinite(loss)).toBe(true);
    // Differences are exactly 0; what is left of a dot along its own row is a rounding, of float32 at slopes of some tens or of float64.
    const rounding = hs.info().backend === 'native' ? 2 ** -18 : 2 ** -46;
    for (const g of gradEmbeddings?.data ?? []) expect(Math.abs(g)).toBeLessThanOrEqual(rounding);
  });
  it('is finite with zero rows, whose gradient is 0 where rows are normalised', () => {
    const some = hs.matrix(x.data.slice(), 3);
    some.data.fill(0, 3, 6);
    const { loss, gradEmbeddings } = run(some, pairs);
    expect(Number.isFinite(loss)).toBe(true);
    expect(gradEmbeddings?.data.every(Number.isFinite)).toBe(true);
    if (unit) expect(gradEmbeddings?.data.slice(3, 6)).toEqual(zeros(3));
    expect(Number.isFinite(run(hs.matrix(zeros(18), 3), pairs).loss)).toBe(true);
  });
  it.each([1e-30, 1e30])('survives rows of length %s', (scale) => {
    const { loss, gradEmbeddings } = run(
      hs.matrix(
        x.data.map((v) => v * scale),
        3,
      ),
      pairs,
    );
    expect(Number.isFinite(loss)).toBe(true);
    // Rows below 1e-12 are divided by 1e-12, so their gradient is large.
    expect(gradEmbeddings?.data.every(Number.isFinite)).toBe(true);
    if (unit && scale > 1) expect(Math.abs(loss - run(x, pairs).loss)).toBeLessThanOrEqual(64 * 2 ** -24 * Math.max(1, loss));
  });
  it('is NaN, as is all it returns, where any row has one', () => {
    for (const labels of [pairs, Int32Array.of(1, 1, 1, 1, 1, 1), Int32Array.of(1, 2, 3, 4, 5, 6)]) {
      const one = hs.matrix(x.data.slice(), 3);
      one.data[4] = Number.NaN;
      const { loss, gradEmbeddings, perExample, gradBeta } = run(one, labels);
      expect(loss).toBeNaN();
      for (const values of [gradEmbeddings?.data, perExample, gradBeta]) expect(values?.every(Number.isNaN) ?? true).toBe(true);
    }
  });
});

describe('extreme options', () => {
  const x = normalMatrix(6, 3, 2);
  const labels = cyclicLabels(6, 2);
  it.each([
    ['supConLoss', hs.supConLoss(x, labels, { temperature: 1e-30 })],
    ['ntXentLoss', hs.ntXentLoss(x, labels, { temperature: 1e-30 })],
    ['circleLoss', hs.circleLoss(x, labels, { gamma: 1e30 })],
    ['multiSimilarityLoss', hs.multiSimilarityLoss(x, labels, { alpha: 1e30, beta: 1e30 })],
    ['liftedStructureLoss', hs.liftedStructureLoss(x, labels, { negMargin: 1e15 })],
    ['liftedStructureLoss generalized', hs.liftedStructureLoss(x, labels, { negMargin: 1e30, generalized: true })],
    ['ncaLoss', hs.ncaLoss(x, labels, { scale: 1e30 })],
    ['angularLoss', hs.angularLoss(x, labels, { alpha: 1.5707 })],
    ['tupletMarginLoss', hs.tupletMarginLoss(x, labels, { s: 1e30 })],
    ['rankedListLoss', hs.rankedListLoss(x, labels, { tPos: 1e30, tNeg: 1e30 })],
    ['pnpLoss', hs.pnpLoss(x, labels, { anneal: 1e-30, variant: 'Iu' })],
    ['fastApLoss', hs.fastApLoss(x, labels, { numBins: 65536 })],
    ['histogramLoss', hs.histogramLoss(x, labels, { numBins: 65536 })],
  ])('%s stays finite', (_name, { loss, gradEmbeddings }) => {
    expect(Number.isFinite(loss)).toBe(true);
    expect(gradEmbeddings.data.every(Number.isFinite)).toBe(true);
  });
  it('parallel and opposite rows have angles, and a gradient without them', () => {
    const rows = plane(1, 0, 3, 0, -2, 0, 0, 1);
    for (const result of [
      hs.supConLoss(rows, [1, 1, 1, 2]),
      hs.ntXentLoss(rows, [1, 1, 1, 2]),
      hs.circleLoss(rows, [1, 1, 1, 2]),
      hs.multiSimilarityLoss(rows, [1, 1, 1, 2]),
      hs.liftedStructureLoss(rows, [1, 1, 1, 2]),
      hs.liftedStructureLoss(rows, [1, 1, 1, 2], { generalized: true }),
      hs.tupletMarginLoss(rows, [1, 1, 1, 2]),
      hs.fastApLoss(rows, [1, 1, 1, 2]),
      hs.histogramLoss(rows, [1, 1, 1, 2]),
    ]) {
      expect(Number.isFinite(result.loss)).toBe(true);
      expect(result.gradEmbeddings.data.every(Number.isFinite)).toBe(true);
    }
  });
});

describe('marginLoss', () => {
  const x = normalMatrix(9, 3, 3);
  const labels = Int32Array.of(0, 1, 2, 0, 1, 0, 0, 1, 3);
  it.each([[[1.1]], [[0.8, 1.2, 1, 1.4]]])('with β %j equals the sum over all triplets', (values) => {
    const beta = Float32Array.from(values);
    const d = hs.distances(hs.normalize(x), { metric: 'euclidean' }).data;
    let [sum, active] = [0, 0];
    for (const [a, p, k] of triples(9)) {
      if (a === p || labels[a] !== labels[p] || labels[a] === labels[k]) continue;
      const boundary = beta[beta.length === 1 ? 0 : (labels[a] as number)] as number;
      const terms = [(d[a * 9 + p] as number) - boundary + 0.3, boundary - (d[a * 9 + k] as number) + 0.3];
      for (const term of terms.filter((t) => t > 0)) {
        sum += term;
        active++;
      }
    }
    // The distances here were rounded to float32 twice: 2⁻²² of their size at most.
    expect(Math.abs(hs.marginLoss(x, labels, beta, { margin: 0.3 }).loss - sum / active)).toBeLessThanOrEqual(2 ** -21);
  });
  it('is NaN where β is', () => {
    const { loss, gradBeta, gradEmbeddings } = hs.marginLoss(x, labels, Float32Array.of(Number.NaN));
    expect(loss).toBeNaN();
    expect(gradBeta[0]).toBeNaN();
    expect(gradEmbeddings.data.every(Number.isNaN)).toBe(true);
  });
  it('refuses a β of no entry, of another type, labels beyond it, and ν beside one a class', () => {
    const thrown = (code: string, argument: string) => expect.objectContaining({ code, argument });
    expect(() => hs.marginLoss(x, labels, zeros(0))).toThrow(thrown('ERR_SHAPE', 'beta'));
    expect(() => hs.marginLoss(x, labels, [1] as never)).toThrow(thrown('ERR_TYPE', 'beta'));
    expect(() => hs.marginLoss(x, labels, zeros(3))).toThrow(thrown('ERR_LABEL_RANGE', 'labels[8]'));
    expect(() => hs.marginLoss(x, labels, zeros(4), { nu: 0.1 })).toThrow(thrown('ERR_OPTION_RANGE', 'options.nu'));
    const gradEmbeddings = hs.matrix(zeros(27), 3);
    expect(() => hs.marginLoss(x, labels, gradEmbeddings.data.subarray(0, 1), { out: { gradEmbeddings } })).toThrow(
      thrown('ERR_ALIAS', 'options.out.gradEmbeddings'),
    );
  });
});

function* triples(n: number): Generator<[number, number, number]> {
  for (let a = 0; a < n; a++) for (let p = 0; p < n; p++) for (let k = 0; k < n; k++) yield [a, p, k];
}

describe('vicRegLoss', () => {
  it('of no row is 0, of one row its distance alone', () => {
    expect(hs.vicRegLoss(hs.matrix(zeros(0), 3), hs.matrix(zeros(0), 3)).loss).toBe(0);
    const { loss, gradX, gradY } = hs.vicRegLoss(line(1), line(3), { lambda: 2 });
    expect(loss).toBe(8);
    expect([gradX.data[0], gradY.data[0]]).toEqual([-8, 8]);
  });
  it('is NaN where either view has one, whatever the weights', () => {
    for (const bad of [0, 1]) {
      const views = [normalMatrix(4, 2, 1), normalMatrix(4, 2, 2)] as const;
      views[bad as 0 | 1].data[3] = Number.NaN;
      const { loss, gradX, gradY } = hs.vicRegLoss(...views, { lambda: 0, mu: 0, nu: 0 });
      expect(loss).toBeNaN();
      for (const grad of [gradX, gradY]) expect(grad.data.every(Number.isNaN)).toBe(true);
    }
  });
  it('survives coordinates of 1e30', () => {
    const { loss } = hs.vicRegLoss(normalMatrix(4, 2, 1, 1e30), normalMatrix(4, 2, 2, 1e30));
    expect(Number.isFinite(loss)).toBe(true);
  });
});
