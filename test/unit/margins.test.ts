// Margins at their edges, and values worked out by hand.
import { beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';

beforeAll(() => hs.setBackend('ts'));

const w = hs.matrix(Float32Array.of(1, 0, 0, 1, -1, 0), 2);
const rowAt = (c: number, length = 1) => hs.matrix(Float32Array.of(c * length, Math.sqrt(1 - c * c) * length), 2);
const close = (got: number | undefined, expected: number): void => expect(got).toBeCloseTo(expected, 5);
const logitsOf = (x: hs.Matrix, margin: hs.Margin, label = 0, weights = w): Float32Array =>
  hs.marginSoftmax(x, weights, [label], { margin, logits: true }).logits?.data as Float32Array;

describe('values by hand', () => {
  const c = 0.6;
  const theta = Math.acos(c);
  it('sphereFaceR', () => {
    const of = (variant: 'v0' | 'v1' | 'v2', m: number) => logitsOf(rowAt(c), hs.sphereFaceR({ variant, m, s: 1 }));
    close(of('v0', 1.7)[0], Math.cos(1.7 * theta));
    close(of('v0', 4)[0], -Math.cos(4 * theta) - 2);
    close(of('v1', 2)[0], Math.cos(2 * theta));
    close(of('v1', 4)[0], -1);
    expect(of('v2', 2)).toEqual(Float32Array.of(0.6, Math.cos(Math.acos(0.8) / 2), Math.cos(Math.acos(-0.6) / 2)).map(Math.fround));
  });
  it('sphereFace2: value, bias and the sum over classes', () => {
    const margin = hs.sphereFace2({ r: 2, m: 0.3, t: 2, alpha: 0.6, lossWeight: 5 });
    const bias = Float32Array.of(0.25);
    const { loss, perExample, gradBias, logits } = hs.marginSoftmax(rowAt(c), w, [0], { margin, bias, logits: true });
    const g = (u: number) => 2 * ((u + 1) / 2) ** 2 - 1;
    const z = [2 * (g(0.6) - 0.3) + 0.25, 2 * (g(0.8) + 0.3) + 0.25, 2 * (g(-0.6) + 0.3) + 0.25];
    z.forEach((value, at) => close(logits?.data[at], value));
    const terms =
      0.6 * Math.log1p(Math.exp(-(z[0] as number))) + 0.4 * (Math.log1p(Math.exp(z[1] as number)) + Math.log1p(Math.exp(z[2] as number)));
    close(perExample[0], terms);
    close(loss, (5 / 2) * terms);
    expect(gradBias).toHaveLength(1);
  });
  it('adaFace: its statistics and its margins', () => {
    // Norms 3 and 5: mean 4, deviation √2.
    const x = hs.matrix(Float32Array.of(3, 0, 0, 5), 2);
    const given = hs.adaFace({ s: 1, m: 0.4, h: 0.5, tAlpha: 0.5, batchMean: 2, batchStd: 1 });
    const { margin, logits } = hs.marginSoftmax(x, w, [1, 0], { margin: given, logits: true });
    const [mean, std] = [3, (Math.SQRT2 + 1) / 2];
    expect(margin).toMatchObject({ kind: 'adaFace', batchMean: mean, m: 0.4 });
    close((margin as hs.AdaFaceMargin).batchStd, std);
    const q = (0.5 * (5 - mean)) / (std + 1e-3);
    close(logits?.data[1], Math.cos(Math.PI / 2) - 0.4);
    close(logits?.data[3], Math.cos(Math.PI / 2 - 0.4 * q) - 0.4 * (1 + q));
    close(logits?.data[0], 1 - 1e-3);
    expect(Object.isFrozen(margin)).toBe(true);
  });
  it('magFace: its margin, its regulariser, its reductions', () => {
    const margin = hs.magFace({ s: 1, lambdaG: 3, easyMargin: false });
    const x = rowAt(c, 60);
    close(logitsOf(x, margin)[0], Math.cos(theta + 0.45 + 0.35 / 2));
    const { loss, perExample, regularizer } = hs.marginSoftmax(x, w, [0], { margin });
    close(regularizer, 60 / 110 ** 2 + 1 / 60);
    close(loss, (perExample[0] as number) + 3 * (regularizer as number));
    const two = hs.matrix(Float32Array.of(60, 0, 0, 200), 2);
    const g = [60 / 110 ** 2 + 1 / 60, 2 / 110] as const;
    const of = (options: object) => hs.marginSoftmax(two, w, [0, 1], { margin, ...options }).regularizer;
    close(of({}), (g[0] + g[1]) / 2);
    close(of({ reduction: 'sum' }), g[0] + g[1]);
    close(of({ reduction: 'none', gradOutput: Float32Array.of(2, -1) }), 2 * g[0] - g[1]);
    close(hs.marginSoftmax(two, w, [-100, 1], { margin }).regularizer, g[1]);
    expect(hs.marginSoftmax(two, w, [-100, -100], { margin })).toMatchObject({ loss: 0, regularizer: 0 });
    expect(hs.marginSoftmax(two, w, [0, 1], { margin: hs.cosFace() })).not.toHaveProperty('regularizer');
  });
  it('curricularFace: hard classes, and t before they are weighed', () => {
    const given = hs.curricularFace({ s: 1, m: 0.5, t: 0.1, momentum: 0.5 });
    const { margin, logits } = hs.marginSoftmax(rowAt(c), w, [0], { margin: given, logits: true });
    const t = 0.5 * 0.6 + 0.5 * 0.1;
    close((margin as hs.CurricularFaceMargin).t, t);
    close(logits?.data[0], Math.cos(theta + 0.5));
    close(logits?.data[1], 0.8 * (t + 0.8));
    close(logits?.data[2], -0.6);
  });
  it('subCenters and softTriple: k rows a class', () => {
    const weights = hs.matrix(Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1), 2);
    expect(logitsOf(rowAt(c), hs.subCenters(2, hs.cosFace({ s: 1, m: 0.1 })), 0, weights)).toEqual(Float32Array.of(0.8 - 0.1, -0.6));
    const S = (a: number, b: number) => (Math.exp(a) * a + Math.exp(b) * b) / (Math.exp(a) + Math.exp(b));
    const z = logitsOf(rowAt(c), hs.softTriple({ k: 2, la: 2, gamma: 1, margin: 0.1 }), 0, weights);
    close(z[0], 2 * (S(0.6, 0.8) - 0.1));
    close(z[1], 2 * S(-0.6, -0.8));
  });
  it('subCenters: what bends the columns, statistics and regulariser see the best of the k', () => {
    // Best cosines of the three classes: 0.8, 0.96, −0.6; the row has length 60.
    const x = rowAt(c, 60);
    const weights = hs.matrix(Float32Array.of(0, 1, 1, 0, 0.8, 0.6, -1, 0, -1, 0, 0, -1), 2);
    const all = (inner: hs.CosineMargin) => hs.marginSoftmax(x, weights, [0], { margin: hs.subCenters(2, inner), logits: true });
    const divided = all(hs.sphereFaceR({ variant: 'v2', s: 1, m: 2 })).logits?.data;
    [0.8, Math.cos(Math.acos(0.96) / 2), Math.cos(Math.acos(-0.6) / 2)].forEach((value, at) => close(divided?.[at], value));
    const { margin, logits } = all(hs.curricularFace({ s: 1, m: 0.5, t: 0.1, momentum: 0.5 }));
    const t = 0.5 * 0.8 + 0.5 * 0.1;
    [Math.cos(Math.acos(0.8) + 0.5), 0.96 * (t + 0.96), -0.6].forEach((value, at) => close(logits?.data[at], value));
    expect(margin).toMatchObject({ kind: 'subCenters', k: 2, margin: { kind: 'curricularFace', m: 0.5, momentum: 0.5 } });
    close(((margin as hs.SubCentersMargin).margin as hs.CurricularFaceMargin).t, t);
    expect([Object.isFrozen(margin), Object.isFrozen((margin as hs.SubCentersMargin).margin)]).toEqual([true, true]);
    const magnitude = all(hs.magFace({ s: 1, lambdaG: 3, easyMargin: false }));
    close(magnitude.logits?.data[0], Math.cos(Math.acos(0.8) + 0.45 + 0.35 / 2));
    close(magnitude.regularizer, 60 / 110 ** 2 + 1 / 60);
    close(magnitude.loss, (magnitude.perExample[0] as number) + 3 * (magnitude.regularizer as number));
    const ada = all(hs.adaFace({ s: 1, tAlpha: 1 }));
    expect(ada.margin).toMatchObject({ margin: { batchMean: 60, batchStd: 100 } });
    close(ada.logits?.data[0], 0.8 - 0.4);
    const { loss, perExample } = all(hs.sphereFaceR({ s: 2, lossWeight: 5 }));
    close(loss, (5 / 2) * (perExample[0] as number));
  });
  it('p2sGrad: squared errors of the cosines, a share of 1/C each', () => {
    const { loss, perExample } = hs.marginSoftmax(rowAt(c), w, [0], { margin: hs.p2sGrad() });
    close(perExample[0], 0.4 ** 2 + 0.8 ** 2 + 0.6 ** 2);
    close(loss, (0.4 ** 2 + 0.8 ** 2 + 0.6 ** 2) / 3);
  });
});

describe('defined where the references are not', () => {
  const margins: hs.Margin[] = [
    hs.softmaxMargin(),
    hs.normalizedSoftmax(),
    hs.lSoftmax({ m: 3 }),
    ...(['exact', 'straightThrough', 'caffe'] as const).map((gradient) => hs.aSoftmax({ m: 4, gradient })),
    hs.combinedMargin(),
    ...(['v0', 'v1', 'v2'] as const).map((variant) => hs.sphereFaceR({ variant, m: 1.7 })),
    ...(['C', 'A', 'M'] as const).map((variant) => hs.sphereFace2({ variant })),
    hs.adaFace(),
    ...[true, false].map((easyMargin) => hs.magFace({ easyMargin })),
    hs.curricularFace(),
    hs.p2sGrad(),
  ];
  const inners: hs.CosineMargin[] = [
    hs.arcFace(),
    hs.combinedMargin(),
    hs.sphereFaceR({ variant: 'v2' }),
    hs.adaFace(),
    hs.magFace(),
    hs.curricularFace(),
  ];
  const several: hs.Margin[] = [...inners.map((inner) => hs.subCenters(3, inner)), hs.softTriple({ k: 3 })];
  const finite = (x: hs.Matrix, weights: hs.Matrix, labels: number[], margin: hs.Margin) => {
    const { loss, perExample, gradEmbeddings, gradWeights, margin: after } = hs.marginSoftmax(x, weights, labels, { margin });
    const numbers = [loss, ...perExample, ...gradEmbeddings.data, ...gradWeights.data];
    expect(numbers.every(Number.isFinite), JSON.stringify(margin)).toBe(true);
    expect(Object.values(after).every((value) => typeof value !== 'number' || Number.isFinite(value))).toBe(true);
  };
  it.each([...margins, ...several].map((margin) => ({ name: JSON.stringify(margin), margin })))('$name', ({ margin }) => {
    const k = 'k' in margin ? margin.k : 1;
    const repeated = (m: hs.Matrix) =>
      hs.matrix(
        Float32Array.from({ length: m.shape[0] * k * 2 }, (_, at) => m.data[(Math.floor(at / (2 * k)) * 2 + (at % 2)) as number] as number),
        2,
      );
    // Parallel, opposite, zero, denormal and long rows, where norms stay finite; then one row alone, and weights of zeros.
    const x = hs.matrix(Float32Array.of(2, 0, -3, 0, 0, 0, 1e-40, 1e-40, 1e15, -1e15), 2);
    finite(x, repeated(w), [0, 0, 1, 2, 1], margin);
    for (const row of [0, 1, 2, 3]) finite(hs.takeRows(x, [row]), repeated(w), [0], margin);
    finite(x, repeated(hs.matrix(new Float32Array(6), 2)), [0, 0, 1, 2, 1], margin);
    finite(x, repeated(hs.matrix(Float32Array.of(1e-40, 0, 3, 4, 0, -1e-42), 2)), [0, 0, 1, 2, 1], margin);
    // One class, one column, no row that counts, no row.
    finite(hs.matrix(Float32Array.of(2, -1), 1), hs.matrix(new Float32Array(k).fill(1), 1), [0, 0], margin);
    for (const labels of [[-100, -100], []]) {
      const rows = hs.matrix(new Float32Array(2 * labels.length).fill(1), 2);
      const result = hs.marginSoftmax(rows, repeated(w), labels, { margin });
      expect(result.loss).toBe(0);
      expect([...result.gradEmbeddings.data, ...result.gradWeights.data].every((value) => value === 0)).toBe(true);
      expect(result.margin).toEqual(margin);
    }
  });
  it('one row leaves the deviation of adaFace as it was, and moves its mean', () => {
    const { margin } = hs.marginSoftmax(rowAt(0.6, 50), w, [0], { margin: hs.adaFace({ tAlpha: 1 }) });
    close((margin as hs.AdaFaceMargin).batchMean, 50);
    expect(margin).toMatchObject({ batchStd: 100 });
    const ignored = hs.matrix(Float32Array.of(30, 40, 0, 9), 2);
    close((hs.marginSoftmax(ignored, w, [0, -100], { margin: hs.adaFace({ tAlpha: 1 }) }).margin as hs.AdaFaceMargin).batchMean, 50);
  });
  it('a batch with a NaN says so in its loss and leaves the statistics alone', () => {
    const x = hs.matrix(Float32Array.of(1, Number.NaN), 2);
    for (const margin of [hs.adaFace(), hs.curricularFace(), hs.subCenters(1, hs.adaFace()), hs.subCenters(1, hs.curricularFace())]) {
      const result = hs.marginSoftmax(x, w, [0], { margin });
      expect(result.loss).toBeNaN();
      expect(result.margin).toBe(margin);
    }
  });
  it('the best of several rows is the lowest of equals, and never a NaN', () => {
    const margin = hs.subCenters(3, hs.cosFace({ s: 4 }));
    const x = hs.matrix(Float32Array.of(1, 0.5), 2);
    const weights = (...first: number[]) => hs.matrix(Float32Array.of(...first, 0, 1, 0, 1, 0, 1), 2);
    const touched = (m: hs.Matrix) => {
      const g = hs.marginSoftmax(x, m, [0], { margin }).gradWeights.data;
      return [0, 1, 2].filter((r) => g[2 * r] !== 0 || g[2 * r + 1] !== 0);
    };
    expect(touched(weights(1, 0, 1, 0, 1, 0))).toEqual([0]);
    expect(touched(weights(-1, 0, 1, 0, 1, 0))).toEqual([1]);
    expect(touched(weights(Number.NaN, 0, -1, 0, 1, 0)).includes(2)).toBe(true);
    expect(hs.marginSoftmax(x, weights(Number.NaN, 0, -1, 0, 1, 0), [0], { margin }).loss).toBe(
      hs.marginSoftmax(x, weights(0, -1, -1, 0, 1, 0), [0], { margin }).loss,
    );
    expect(hs.marginSoftmax(x, weights(...new Array(6).fill(Number.NaN)), [0], { margin }).loss).toBeNaN();
  });
});

describe('the face', () => {
  const x = hs.matrix(Float32Array.of(1, 2, -1, 0.5), 2);
  it('equals linear cross-entropy with softmaxMargin, bias and all', () => {
    const bias = Float32Array.of(0.5, -1, 2);
    const options = { bias, labelSmoothing: 0.1, logits: true } as const;
    const { margin: _, ...head } = hs.marginSoftmax(x, w, [1, 2], { ...options, margin: hs.softmaxMargin() });
    expect(head).toEqual(hs.linearCrossEntropy(x, w, [1, 2], options));
  });
  it('gives the margin back where there is nothing to move on', () => {
    const margin = hs.subCenters(3, hs.arcFace());
    expect(hs.marginSoftmax(x, w, [0, 0], { margin }).margin).toBe(margin);
  });
  it('takes every margin after JSON, nested ones too', () => {
    for (const margin of [
      hs.subCenters(3, hs.arcFace({ s: 5 })),
      hs.softTriple({ k: 3 }),
      hs.adaFace(),
      hs.p2sGrad(),
      hs.softmaxMargin(),
      hs.magFace(),
    ]) {
      const labels = 'k' in margin ? [0, 0] : [1, 2];
      const parsed = JSON.parse(JSON.stringify(margin));
      expect(hs.marginSoftmax(x, w, labels, { margin: parsed }).loss).toBe(hs.marginSoftmax(x, w, labels, { margin }).loss);
    }
  });
  const refused = (code: hs.ErrorCode, argument: string, options: object) =>
    expect(() => hs.marginSoftmax(x, w, [0, 0], options as never), argument).toThrow(expect.objectContaining({ code, argument }));
  it('refuses what does not go together, by name', () => {
    const inner = { ...hs.arcFace(), s: -1 };
    refused('ERR_OPTION_RANGE', 'options.margin.margin.s', { margin: { kind: 'subCenters', k: 3, margin: inner } });
    refused('ERR_OPTION_RANGE', 'options.margin.margin.kind', { margin: { kind: 'subCenters', k: 3, margin: hs.p2sGrad() } });
    refused('ERR_TYPE', 'options.margin.margin', { margin: { kind: 'subCenters', k: 3 } });
    refused('ERR_OPTION_RANGE', 'options.margin.k', { margin: { kind: 'subCenters', k: 0, margin: hs.arcFace() } });
    refused('ERR_OPTION_RANGE', 'options.margin.novelty', { margin: { kind: 'subCenters', k: 3, margin: hs.arcFace(), novelty: 1 } });
    refused('ERR_OPTION_RANGE', 'options.margin.m', { margin: { ...hs.p2sGrad(), m: 1 } });
    refused('ERR_SHAPE', 'weights', { margin: hs.softTriple({ k: 2 }) });
    refused('ERR_OPTION_RANGE', 'options.bias', { margin: hs.arcFace(), bias: new Float32Array(3) });
    refused('ERR_SHAPE', 'options.bias', { margin: hs.sphereFace2(), bias: new Float32Array(3) });
    refused('ERR_SHAPE', 'options.bias', { margin: hs.softmaxMargin(), bias: new Float32Array(1) });
    refused('ERR_TYPE', 'options.bias', { margin: hs.softmaxMargin(), bias: [1, 2, 3] });
    for (const margin of [hs.sphereFace2(), hs.p2sGrad()]) {
      refused('ERR_OPTION_RANGE', 'options.labelSmoothing', { margin, labelSmoothing: 0.1 });
      refused('ERR_OPTION_RANGE', 'options.classWeights', { margin, classWeights: new Float32Array(3).fill(1) });
    }
    const gradWeights = hs.matrix(new Float32Array(6), 2);
    refused('ERR_ALIAS', 'options.out.gradWeights', {
      margin: hs.softmaxMargin(),
      bias: gradWeights.data.subarray(0, 3),
      out: { gradWeights },
    });
    const reasons: [hs.Margin, RegExp][] = [
      [hs.softmaxMargin(), /lengths of the rows of weights/],
      [hs.lSoftmax(), /lengths of the rows of weights/],
      [hs.aSoftmax(), /lengths of the embeddings/],
      [hs.sphereFace2(), /every class by itself/],
      [hs.p2sGrad(), /every class by itself/],
      [hs.softTriple(), /several rows a class/],
      [hs.subCenters(2, hs.arcFace()), /several rows a class/],
    ];
    for (const [margin, why] of reasons) {
      expect(() => hs.subCenters(2, margin as never)).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'margin.kind', message: expect.stringMatching(why) }),
      );
    }
    expect(() => hs.subCenters(2, { kind: 'constructor' } as never)).toThrow(expect.objectContaining({ argument: 'margin.kind' }));
    expect(() => hs.subCenters(257, hs.arcFace())).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'k' }));
    refused('ERR_OPTION_RANGE', 'options.margin.k', { margin: { ...hs.softTriple(), k: 257 } });
    expect(() => hs.subCenters(2, { ...hs.cosFace(), s: 0 })).toThrow(expect.objectContaining({ argument: 'margin.s' }));
  });
});
